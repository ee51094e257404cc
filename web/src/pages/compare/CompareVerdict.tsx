import type { Comparison, Difference, RunComparison } from "@/api/types";
import { DifferenceChart } from "@/charts/DifferenceChart";
import { count, counted, points, pValue } from "@/format/numbers";
import { type Tone, toneOf } from "@/parts/Delta";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";

type Props = {
  baseline: NonNullable<Comparison["baseline"]>;
  comparison: RunComparison;
  margin: number | null;
};

/** Words for how a difference was told. */
export const METHODS: Record<string, string> = {
  tango: "Tango",
  tango_effective_size: "Tango at the effective size",
  paired_t: "paired t",
  newcombe_unpaired: "Newcombe, not paired",
  welch: "Welch, not paired",
};
const GLYPHS: Record<Tone, string> = { better: "▲", worse: "▼", even: "≈" };

/** What the comparison comes to in one sentence, how that is known, and what makes it less than it seems. */
export function CompareVerdict({ baseline, comparison, margin }: Props) {
  const { difference, warnings } = comparison;
  return (
    <section className="verdict" aria-label="Verdict">
      <div>
        <p className="sentence">
          <Sentence baseline={baseline} comparison={comparison} margin={margin} />
        </p>
        <p className="method">{methodOf(difference, comparison.paired_by !== null)}</p>
        {difference.items_needed !== null && (
          <p className="method">
            {counted(difference.items_needed, "item")} would settle it if nothing has changed
            {difference.items_if_true !== null &&
              `, ${count(difference.items_if_true)} if the estimate is true`}
            .
          </p>
        )}
        {warnings.length > 0 && (
          <ul className="warnings">
            {warnings.map((warning) => (
              <li key={warning.what + warning.message}>
                <Icon name="error" />
                <Name text={warning.message} />
              </li>
            ))}
          </ul>
        )}
      </div>
      <DifferenceChart difference={difference} margin={margin} />
    </section>
  );
}

function Sentence({ baseline, comparison, margin }: Props) {
  const { difference, counts, candidate } = comparison;
  const { low, high } = difference;
  // Against a margin, and where there is no interval, the server's own words say what holds.
  if (low === null || high === null || margin !== null) return <Name text={comparison.sentence} />;
  const tone = toneOf(difference);
  // Names that are equal would tell nothing: these are the words of the server then.
  const isSameName = candidate.name !== "" && candidate.name === baseline.name;
  const isFirst = tone !== "even";
  const ours = isSameName ? (
    isFirst ? (
      "The run"
    ) : (
      "the run"
    )
  ) : (
    <Name text={candidate.name || candidate.run_id} />
  );
  const theirs = isSameName ? "the baseline" : <Name text={baseline.name || baseline.run_id} />;
  return (
    <>
      {tone === "even" ? (
        <>
          No difference between {ours} and {theirs} can be told:{" "}
        </>
      ) : (
        <>
          {ours} is {tone} than {theirs}:{" "}
        </>
      )}
      <span className={`delta ${tone}`}>
        <span aria-hidden="true">{GLYPHS[tone]}</span> {points(difference.value)} points
      </span>
      , likely between {points(low)} and {points(high)}
      {comparison.paired_by !== null && (
        <>
          ;{" "}
          <span className="nowrap">
            {count(counts.fixed)} fixed, {count(counts.regressed)} regressed of {count(difference.items)}
          </span>
        </>
      )}
      .
    </>
  );
}

function methodOf(difference: Difference, isPaired: boolean): string {
  const { low, p, newcombe, method, visible, items } = difference;
  const name = METHODS[method];
  const parts = [
    "All criteria together, 95% interval of ",
    isPaired ? "paired items" : counted(items, "item"),
  ];
  if (low === null) return `All criteria together, ${counted(items, isPaired ? "pair" : "item")}.`;
  if (name !== undefined) parts.push(` (${name})`);
  if (newcombe?.length === 2) {
    parts.push(`; Newcombe ${points(newcombe[0] ?? 0)} to ${points(newcombe[1] ?? 0)}`);
  }
  if (p !== null) parts.push(`; ${method === "tango" ? "McNemar mid-" : ""}${pValue(p)}`);
  parts.push(".");
  if (visible !== null)
    parts.push(` With so many items, ${(visible * 100).toFixed(1)} points or more can be seen.`);
  return parts.join("");
}
