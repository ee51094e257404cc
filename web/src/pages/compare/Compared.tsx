import type { Comparison } from "@/api/types";
import { CompareVerdict } from "./CompareVerdict";
import { CostAgainstScore } from "./CostAgainstScore";
import { CriteriaDifferences, RunDifferences } from "./Differences";
import { Items } from "./Items";
import { Matrix } from "./Matrix";
import { useShown } from "./useShown";

type Props = { comparison: Comparison; baseline: NonNullable<Comparison["baseline"]> };

/** The sentence, its picture, the tables, the items. */
export function Compared({ comparison, baseline }: Props) {
  const shown = useShown(comparison);
  if (shown === undefined) return null;
  const isSeveral = comparison.comparisons.length > 1;
  const cost = <CostAgainstScore comparison={comparison} baseline={baseline} />;
  return (
    <>
      <CompareVerdict baseline={baseline} comparison={shown} margin={comparison.margin} />
      {isSeveral && (
        <div className="columns compare-columns single">
          <RunDifferences comparison={comparison} shown={shown} baseline={baseline} />
          {cost}
        </div>
      )}
      <div className="columns compare-columns">
        <CriteriaDifferences shown={shown} margin={comparison.margin} />
        <Matrix shown={shown} />
      </div>
      <Items shown={shown} baseline={baseline} />
      {!isSeveral && cost}
    </>
  );
}
