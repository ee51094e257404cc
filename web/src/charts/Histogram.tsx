import { max } from "d3-array";
import { scaleLinear } from "d3-scale";
import { count, figure } from "@/format/numbers";
import { ChartWithTable } from "./ChartWithTable";

const WIDTH = 330;
const HEIGHT = 150;
const TOP = 26;
const FLOOR = 118;

export type Mark = { label: string; at: number; isDashed?: boolean };

type Props = {
  /** Ends of the first and of the last bin, and the counts between. */
  low: number;
  high: number;
  counts: readonly number[];
  label: string;
  marks?: readonly Mark[];
  /** Whether the last bin also counts what is above it. */
  isOpen?: boolean;
  /** How an end of a bin is written; by default with about three digits. */
  format?: (value: number) => string;
};

/** Counts in equally wide bins, grey, with labelled lines at percentiles and thresholds. */
export function Histogram({ low, high, counts, label, marks = [], isOpen = false, format = figure }: Props) {
  const x = scaleLinear([low, high], [0, WIDTH]);
  const y = scaleLinear([0, max(counts) ?? 1], [FLOOR, TOP + 4]);
  const width = WIDTH / counts.length;
  const edge = (bin: number) => low + ((high - low) * bin) / counts.length;
  const middle = (low + high) / 2;
  // One that reads like an end would only puzzle.
  const ticks = [low, ...([low, high].map(format).includes(format(middle)) ? [] : [middle]), high];
  return (
    <ChartWithTable
      sentence={`${label}: ${count(counts.reduce((sum, each) => sum + each, 0))} values from ${format(low)} to ${format(high)}${marks.map((mark) => `; ${mark.label} ${format(mark.at)}`).join("")}`}
      head={["From", "To", "Items"]}
      rows={counts.map((each, bin) => [
        format(edge(bin)),
        isOpen && bin === counts.length - 1 ? "and over" : format(edge(bin + 1)),
        count(each),
      ])}
    >
      {(said) => (
        <svg width="100%" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said}>
          {counts.map((each, bin) => (
            <rect
              key={bin}
              className="c-bar"
              x={bin * width + 0.5}
              width={Math.max(0.5, width - 1)}
              y={y(each)}
              height={FLOOR - y(each)}
            />
          ))}
          <line className="c-axis" x1="0" x2={WIDTH} y1={FLOOR + 0.5} y2={FLOOR + 0.5} />
          {ticks.map((each, place) => (
            <text
              key={each}
              x={x(each)}
              y={FLOOR + 16}
              textAnchor={place === 0 ? "start" : each === high ? "end" : "middle"}
            >
              {isOpen && each === high ? `over ${format(each)}` : format(each)}
            </text>
          ))}
          {spreadLabels(marks, x).map(({ mark, at, labelAt }) => (
            <g key={mark.label}>
              <line
                className={mark.isDashed ? "c-margin" : "c-axis"}
                x1={at}
                x2={at}
                y1={TOP - 8}
                y2={FLOOR}
              />
              <text x={labelAt} y={TOP - 13} textAnchor="middle">
                {mark.label} <tspan className="strong">{format(mark.at)}</tspan>
              </text>
            </g>
          ))}
        </svg>
      )}
    </ChartWithTable>
  );
}

const LABEL_WIDTH = 62;

/** Move labels apart that would lie on each other, and within the chart. */
function spreadLabels(marks: readonly Mark[], x: (value: number) => number) {
  let free = LABEL_WIDTH / 2;
  const sorted = [...marks].sort((left, right) => left.at - right.at);
  return sorted.map((mark, place) => {
    const at = Math.min(WIDTH, Math.max(0, x(mark.at)));
    const rest = (sorted.length - 1 - place) * LABEL_WIDTH;
    const labelAt = Math.min(Math.max(at, free), WIDTH - LABEL_WIDTH / 2 - rest);
    free = labelAt + LABEL_WIDTH;
    return { mark, at, labelAt };
  });
}
