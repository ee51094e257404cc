import { line } from "d3-shape";
import { percent } from "@/format/numbers";

const SLOTS = 20;
const WIDTH = 118;
const HEIGHT = 26;
const EDGE = 4;
/** At least so many points from top to bottom, so that noise stays flat. */
const LEAST_SPAN = 0.25;

export type SparkPoint = { id: string; value: number | null; isPartial: boolean; hasFailed: boolean };

/** The last 20 runs, the newest right. A partial rate ends in a hollow dot, a failed run in `!`. */
export function Sparkline({ points, label }: { points: readonly SparkPoint[]; label: string }) {
  const shown = points.slice(-SLOTS);
  const values = shown.flatMap((each) => each.value ?? []);
  const last = shown.at(-1);
  if (last === undefined) return <span className="third">no runs</span>;
  const low = Math.min(...values);
  const span = Math.max(LEAST_SPAN, Math.max(...values) - low);
  const middle = (low + Math.max(...values)) / 2;
  const bottom = Math.min(Math.max(middle - span / 2, 0), Math.max(0, 1 - span));
  const x = (place: number) => WIDTH - EDGE - (shown.length - 1 - place) * ((WIDTH - 2 * EDGE) / (SLOTS - 1));
  const y = (value: number) => HEIGHT - EDGE - ((value - bottom) / span) * (HEIGHT - 2 * EDGE);
  const path = line<SparkPoint>()
    .defined((each) => each.value !== null)
    .x((_each, place) => x(place))
    .y((each) => y(each.value ?? 0))([...shown]);
  const end = last.value;
  return (
    <svg width={WIDTH} height={HEIGHT} role="img" aria-label={sentence(label, shown)}>
      <path className="c-line" d={path ?? ""} />
      {end !== null && !last.hasFailed && (
        <circle
          className={last.isPartial ? "c-baseline" : "c-dot"}
          cx={x(shown.length - 1)}
          cy={y(end)}
          r="3"
        />
      )}
      {last.hasFailed && (
        <path
          className="icon error"
          d={`M${WIDTH - EDGE} 6v7M${WIDTH - EDGE} 17v.4`}
          strokeWidth="2.25"
          strokeLinecap="round"
        />
      )}
    </svg>
  );
}

function sentence(label: string, shown: readonly SparkPoint[]): string {
  const values = shown.flatMap((each) => each.value ?? []);
  const range = values.length > 1 ? `, from ${percent(values[0])} to ${percent(values.at(-1))} percent` : "";
  const end = shown.at(-1)?.hasFailed ? "; the last one failed to run" : "";
  return `${label}: ${shown.length === 1 ? "1 run" : `${shown.length} runs`}${range}${end}`;
}
