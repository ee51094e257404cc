import { scaleLinear } from "d3-scale";
import { dollars, limits, percent } from "@/format/numbers";
import { shortened, visibleText } from "@/text/visible";
import { useWidth } from "./useWidth";

export type CostPoint = {
  id: string;
  name: string;
  cost: number;
  value: number;
  low: number | null;
  high: number | null;
  isBase: boolean;
};

const FIRST_WIDTH = 420;
const HEIGHT = 196;
const LEFT = 34;
const EDGE = 32;
/** So many pixels lie at least between two sums. */
const TICK_WIDTH = 110;
const TOP = 24;
const BOTTOM = 152;
/** At least so many points from top to bottom, so that noise stays flat. */
const LEAST_SPAN = 0.1;
const LONGEST_NAME = 24;

/** What runs cost and what they scored: a point with its interval for each, the base hollow. */
export function CostChart({ points }: { points: readonly CostPoint[] }) {
  const [frame, width] = useWidth(FIRST_WIDTH);
  const right = width - EDGE;
  const sums = Math.max(1, Math.min(4, Math.floor(width / TICK_WIDTH)));
  const x = scaleLinear([0, Math.max(...points.map((each) => each.cost)) || 1], [LEFT + 8, right]).nice(sums);
  const y = scaleLinear(rangeOf(points), [BOTTOM, TOP]).nice(3);
  const costs = x.tickFormat(sums);
  const labels = spread(points.map((each) => y(each.value) + 4));
  return (
    <div ref={frame}>
      <svg width="100%" viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={sentence(points)}>
        <text x="0" y="10">
          Rate, %
        </text>
        <text x={right} y={HEIGHT - 6} textAnchor="end">
          Cost of the run
        </text>
        {y.ticks(3).map((each) => (
          <g key={each}>
            <line className="c-axis" x1={LEFT} x2={width} y1={y(each)} y2={y(each)} opacity="0.5" />
            <text x={LEFT - 6} y={y(each) + 4} textAnchor="end">
              {Number((each * 100).toFixed(1))}
            </text>
          </g>
        ))}
        {x.ticks(sums).map((each, place) => (
          <text key={each} x={x(each)} y={BOTTOM + 20} textAnchor={place === 0 ? "start" : "middle"}>
            {each === 0 ? "$0" : `$${costs(each)}`}
          </text>
        ))}
        {points.map(({ id, name, cost, value, low, high, isBase }, place) => {
          const at = x(cost);
          // A name that would not fit on the right stands on the left.
          const isLeft = at > (LEFT + right) / 2;
          const near = points
            .filter(
              (each) => Math.abs(y(each.value) - y(value)) < LABEL_HEIGHT && Math.abs(x(each.cost) - at) < 18,
            )
            .map((each) => x(each.cost));
          return (
            <g key={id}>
              {low !== null && high !== null && (
                <line className="c-whisker" x1={at} x2={at} y1={y(low)} y2={y(high)} />
              )}
              <circle className={isBase ? "c-baseline" : "c-point"} cx={at} cy={y(value)} r="4" />
              <text
                x={isLeft ? Math.min(...near) - 9 : Math.max(...near) + 9}
                y={labels[place]}
                textAnchor={isLeft ? "end" : "start"}
                className={isBase ? "over" : "over strong"}
              >
                {shortened(name, LONGEST_NAME)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function sentence(points: readonly CostPoint[]): string {
  return points
    .map(({ name, value, low, high, cost }) => {
      const interval = low === null || high === null ? "" : `, likely ${limits(low, high)},`;
      return `${visibleText(name)}: ${percent(value)} percent${interval} for ${dollars(cost)}`;
    })
    .join("; ");
}

/** Return a range of rates that holds all intervals, within 0 to 1. */
function rangeOf(points: readonly CostPoint[]): [number, number] {
  const low = Math.min(...points.map((each) => each.low ?? each.value));
  const high = Math.max(...points.map((each) => each.high ?? each.value));
  const more = Math.max(0, LEAST_SPAN - (high - low)) / 2;
  return [Math.max(0, low - more), Math.min(1, high + more)];
}

const LABEL_HEIGHT = 14;

/** Return heights in the same order, none nearer to another than the height of a label, all within the chart. */
function spread(heights: readonly number[]): number[] {
  const order = heights.map((_, place) => place).sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0));
  const sorted = order.map((place) => heights[place] ?? 0);
  for (let rank = 1; rank < sorted.length; rank++) {
    sorted[rank] = Math.max(sorted[rank] ?? 0, (sorted[rank - 1] ?? 0) + LABEL_HEIGHT);
  }
  for (let rank = sorted.length - 1, lowest = BOTTOM + 4; rank >= 0; rank--, lowest -= LABEL_HEIGHT) {
    sorted[rank] = Math.min(sorted[rank] ?? 0, lowest);
  }
  const shown = [...heights];
  order.forEach((place, rank) => {
    shown[place] = sorted[rank] ?? 0;
  });
  return shown;
}
