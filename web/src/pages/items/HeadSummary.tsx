import { max } from "d3-array";
import type { Report, ReportCriterion } from "@/api/types";
import { count, figure } from "@/format/numbers";
import { visibleText } from "@/text/visible";

const WIDTH = 56;
const HEIGHT = 16;
/** Graders whose scores say more than whether an item passed. */
const SCORED = new Set(["score_model", "text_similarity", "multi"]);

/** How a criterion came out over the whole run, in the head of its column: shares, or its scores with the threshold. */
export function CriterionSummary({ criterion }: { criterion: ReportCriterion }) {
  const { passed, failed, errored, scores } = criterion;
  const counts = scores?.histogram?.counts ?? [];
  if (scores && SCORED.has(criterion.type) && counts.filter((each) => each > 0).length > 2) {
    const label = `${visibleText(criterion.name)}: scores from ${figure(scores.low)} to ${figure(scores.high)} in the whole run`;
    return <Bars counts={counts} label={label} />;
  }
  const total = Math.max(1, passed + failed + errored);
  const shares = [
    { name: "pass", width: (WIDTH * passed) / total },
    { name: "fail", width: (WIDTH * failed) / total },
    { name: "error", width: (WIDTH * errored) / total },
  ];
  let at = 0;
  return (
    <svg
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={`${visibleText(criterion.name)}: ${count(passed)} passed, ${count(failed)} failed, ${count(errored)} errors in the whole run`}
    >
      {shares.map(({ name, width }) => {
        const x = at;
        at += width;
        return (
          <g key={name}>
            <rect className={`c-${name}`} x={x} y="5" width={Math.max(0, width - 1)} height="8" />
            {name === "fail" && (
              <rect fill="url(#hatched)" x={x} y="5" width={Math.max(0, width - 1)} height="8" />
            )}
          </g>
        );
      })}
    </svg>
  );
}

type SpreadProps = {
  spread: Report["latency_ms"] | undefined;
  what: string;
  format: (value: number) => string;
};

/** How latencies or tokens are spread over the whole run. */
export function SpreadSummary({ spread, what, format }: SpreadProps) {
  if (!spread?.histogram) return null;
  const label = `${what} in the whole run: half of the items at most ${format(spread.p50)}, 95% at most ${format(spread.p95)}`;
  return <Bars counts={spread.histogram.counts} label={label} />;
}

function Bars({ counts, label }: { counts: readonly number[]; label: string }) {
  const highest = max(counts) || 1;
  const width = WIDTH / counts.length;
  return (
    <svg width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      {counts.map((each, bin) => (
        <rect
          key={bin}
          className="c-bar"
          x={bin * width}
          width={Math.max(1, width - 1)}
          y={HEIGHT - (each / highest) * HEIGHT}
          height={(each / highest) * HEIGHT}
        />
      ))}
      <line className="c-axis" x2={WIDTH} y1={HEIGHT + 0.5} y2={HEIGHT + 0.5} />
    </svg>
  );
}
