import { Link } from "@tanstack/react-router";
import type { EvalOverview } from "@/api/types";
import { DifferenceChart } from "@/charts/DifferenceChart";
import { counted } from "@/format/numbers";
import { DifferenceSentence } from "@/pages/run/Verdict";
import { Name } from "@/text/SafeText";

type Props = { overview: EvalOverview; change: NonNullable<EvalOverview["change"]> };

/** How the last completed run differs from the completed one before it, in a sentence and a picture. */
export function LastChange({ overview, change }: Props) {
  const { difference, paired_by, run_id, baseline_id } = change;
  const names = new Map(overview.recent.map((each) => [each.id, each.name || each.id]));
  const name = names.get(run_id) ?? run_id;
  const baseline = names.get(baseline_id) ?? baseline_id;
  return (
    <section className="verdict" aria-label="Last change">
      <div>
        <p className="sentence">
          <Name text={name} /> is{" "}
          <DifferenceSentence baseline={baseline} difference={difference} isWithin>
            hard to tell from <Name text={baseline} />: there are too few items.
          </DifferenceSentence>
        </p>
        <p className="method">
          {paired_by === null
            ? "Rates of all items of each: the same items were not found in both. "
            : `Paired on ${counted(difference.items, "item")}. `}
          {difference.low !== null && "95% interval. "}
          <Link to="/compare" search={{ runs: `${baseline_id},${run_id}` }}>
            See the items that changed
          </Link>
        </p>
      </div>
      <DifferenceChart difference={difference} margin={null} />
    </section>
  );
}
