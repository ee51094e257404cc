import { max } from "d3-array";
import { line } from "d3-shape";

const WIDTH = 150;
const HEIGHT = 36;
const SLOTS = 120;

/** How fast a run has gone for the last minute, the newest right. */
export function Pace({ paces }: { paces: readonly number[] }) {
  const most = Math.max(max(paces) ?? 0, 0.1);
  const x = (place: number) => WIDTH - (paces.length - 1 - place) * (WIDTH / (SLOTS - 1));
  const y = (pace: number) => HEIGHT - 2 - (pace / most) * (HEIGHT - 6);
  const last = paces.at(-1) ?? 0;
  const path = line<number>()
    .x((_pace, place) => x(place))
    .y(y)([...paces]);
  return (
    <svg
      width={WIDTH + 34}
      height={HEIGHT}
      role="img"
      aria-label={`${last.toFixed(1)} items a second now, at most ${most.toFixed(1)}`}
    >
      <line className="c-axis" x1="0" x2={WIDTH} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
      <path className="c-line" d={path ?? ""} />
      <circle className="c-dot" cx={WIDTH} cy={y(last)} r="3" />
      <text className="strong" x={WIDTH + 8} y={y(last) + 4}>
        {last.toFixed(1)}
      </text>
    </svg>
  );
}
