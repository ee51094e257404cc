import { maxIndex } from "d3-array";
import { useState } from "react";
import type { Report } from "@/api/types";
import { Histogram } from "@/charts/Histogram";
import { counted } from "@/format/numbers";
import { isObject } from "@/pages/eval/loose";
import { Menu } from "@/parts/Menu";
import { Name } from "@/text/SafeText";

type Props = { report: Report; criteria: readonly unknown[] };

/** How the scores of a criterion are spread; criteria that only pass or fail have nothing to show. */
export function Scores({ report, criteria }: Props) {
  const scored = report.criteria.filter((each) => each.scores?.histogram && !isBinary(each.scores));
  const [name, setName] = useState<string>();
  // Unasked, those that are spread most: others say little.
  const shown = scored.find((each) => each.name === name) ?? scored[maxIndex(scored, spreadOf)];
  const histogram = shown?.scores?.histogram;
  if (!shown?.scores || !histogram) return null;
  const threshold = thresholdOf(criteria, shown.name);
  return (
    <section aria-labelledby="scores">
      <div className="section-head">
        <h2 id="scores">Scores</h2>
        {scored.length > 1 ? (
          <Menu label={shown.name} isSlim>
            {scored.map((each) => (
              <button key={each.name} type="button" onClick={() => setName(each.name)}>
                <Name text={each.name} />
              </button>
            ))}
          </Menu>
        ) : (
          <span className="aside">
            <Name text={shown.name} />, {counted(shown.scores.items, "item")}
          </span>
        )}
      </div>
      <Histogram
        label={`Scores of ${shown.name}`}
        low={histogram.low}
        high={histogram.high}
        counts={histogram.counts}
        marks={[
          { label: "mean", at: shown.scores.mean },
          ...(threshold === null ? [] : [{ label: "needs", at: threshold, isDashed: true }]),
        ]}
      />
    </section>
  );
}

/** Return from which score on a criterion passes; null where nothing is said of it. */
function thresholdOf(criteria: readonly unknown[], name: string): number | null {
  const criterion = criteria.find((each) => isObject(each) && each.name === name);
  const said = isObject(criterion) ? criterion.pass_threshold : undefined;
  return typeof said === "number" ? said : null;
}

function spreadOf({ scores }: Report["criteria"][number]): number {
  return scores === null ? 0 : (scores.deviation ?? 0) / (scores.high - scores.low || 1);
}

function isBinary({ histogram, low, high }: NonNullable<Report["criteria"][number]["scores"]>): boolean {
  const middle = histogram?.counts.slice(1, -1) ?? [];
  return low === 0 && high === 1 && middle.every((each) => each === 0);
}
