import { scaleLinear } from "d3-scale";
import type { Difference } from "@/api/types";
import { points, signed } from "@/format/numbers";
import { toneOf } from "@/parts/Delta";
import { useWidth } from "./useWidth";

const FIRST_WIDTH = 360;
const MOST_WIDTH = 420;
/** With the room that the domain leaves, enough for the bounds beside the bar. */
const EDGE = 28;
/** So many pixels lie at least between two ticks. */
const TICK_WIDTH = 56;

type Props = { difference: Difference; margin?: number | null };

/** A difference with its interval round a solid zero line; bounds stand at the ends, the margin is dashed. */
export function DifferenceChart({ difference, margin = null }: Props) {
  const [frame, found] = useWidth(FIRST_WIDTH);
  const width = Math.min(found, MOST_WIDTH);
  const { value, low, high } = difference;
  if (low === null || high === null) return null;
  const [from, to] = differenceDomain([difference], margin);
  const scale = scaleLinear([from, to], [EDGE, width - EDGE]);
  // No difference of rates is beyond 100 points, though the domain leaves room for the bounds there.
  const ticks = scale.ticks(Math.floor(width / TICK_WIDTH)).filter((each) => Math.abs(each) <= 1);
  const tick = Math.max(1, Math.round(Math.abs((ticks[1] ?? 0) - (ticks[0] ?? 0)) * 1000) / 10);
  const zero = scale(0);
  const said =
    `Difference ${points(value)} points, 95 percent interval ${points(low)} to ${points(high)}` +
    (margin === null ? "" : `; the margin is ${signed(-margin * 100, 1)} points`);
  return (
    <div ref={frame} className="chart-frame">
      <svg
        className={toneOf(difference)}
        width="100%"
        style={{ maxWidth: width }}
        viewBox={`0 0 ${width} 60`}
        role="img"
        aria-label={said}
      >
        <line className="c-axis" x1="0" x2={width} y1="38.5" y2="38.5" />
        {ticks.map((each) => (
          <g key={each}>
            <line className="c-axis" x1={scale(each)} x2={scale(each)} y1="38" y2="42" />
            <text x={scale(each)} y="55" textAnchor="middle">
              {each === 0 ? "0" : signed(each * 100, tick % 1 === 0 ? 0 : 1)}
            </text>
          </g>
        ))}
        {margin !== null && (
          <line className="c-margin" x1={scale(-margin)} x2={scale(-margin)} y1="4" y2="38" />
        )}
        <line className="c-zero" x1={zero} x2={zero} y1="4" y2="38" />
        <rect
          className="c-interval"
          x={scale(low)}
          width={Math.max(1, scale(high) - scale(low))}
          y="19"
          height="8"
        />
        <line className="c-estimate" x1={scale(value)} x2={scale(value)} y1="14" y2="32" />
        {/* lines end before a figure that would stand on them */}
        <text className="over" x={scale(low) - 6} y="27" textAnchor="end">
          {points(low)}
        </text>
        <text className="over" x={scale(high) + 6} y="27">
          {points(high)}
        </text>
        <text className="over strong" x={scale(value)} y="10" textAnchor="middle">
          {points(value)}
        </text>
      </svg>
    </div>
  );
}

/** The same as a bar within a table; all rows share a domain. */
export function DifferenceBar({
  difference,
  domain,
  label,
}: {
  difference: Difference;
  domain: [number, number];
  label: string;
}) {
  const { value, low, high } = difference;
  if (low === null || high === null) return null;
  const scale = scaleLinear(domain, [0, 100]);
  const at = (share: number) => `${scale(share).toFixed(2)}%`;
  const said = `${label}: ${points(value)} points, 95 percent interval ${points(low)} to ${points(high)}`;
  return (
    <svg className={toneOf(difference)} width="100%" height="18" role="img" aria-label={said}>
      <line className="c-zero" x1={at(0)} x2={at(0)} y1="-6" y2="24" />
      <rect
        className="c-interval"
        x={at(low)}
        width={`${(scale(high) - scale(low)).toFixed(2)}%`}
        y="6"
        height="6"
      />
      <line className="c-estimate" x1={at(value)} x2={at(value)} y1="2" y2="16" />
    </svg>
  );
}

/** Return a range of differences that holds all intervals, zero and the margin, with room for the bounds. */
export function differenceDomain(
  differences: readonly Difference[],
  margin: number | null = null,
): [number, number] {
  const lows = differences.flatMap((each) => each.low ?? []);
  const highs = differences.flatMap((each) => each.high ?? []);
  const low = Math.min(0, margin === null ? 0 : -margin, ...lows);
  const high = Math.max(0, ...highs);
  const room = Math.max(0.02, (high - low) * 0.2);
  return [low - (low < 0 ? room : room / 2), high + (high > 0 ? room : room / 2)];
}
