import type { ReactNode } from "react";
import type { Comparison, RunComparison } from "@/api/types";
import { DifferenceChart } from "@/charts/DifferenceChart";
import { count, counted, points, pValue } from "@/format/numbers";
import { type Tone, toneOf } from "@/parts/Delta";
import { Name } from "@/text/SafeText";

type Props = {
  baseline: NonNullable<Comparison["baseline"]>;
  comparison: RunComparison;
  margin: number | null;
};

const METHODS: Record<string, string> = {
  tango: "Tango",
  newcombe: "Newcombe",
};

/** The sentence first: better, worse, or not to be told; then how that is known. */
export function Verdict({ baseline, comparison, margin }: Props) {
  const { difference, counts, warnings, paired_by } = comparison;
  const method = METHODS[difference.method];
  return (
    <section className="verdict" aria-label="Verdict">
      <div>
        <p className="sentence">
          <Sentence baseline={baseline} comparison={comparison} />
        </p>
        <p className="method">
          {paired_by === null ? (
            <>Rates of {counted(difference.items, "item")}. </>
          ) : (
            <>
              Paired on {counted(difference.items, "item")}: {count(counts.fixed)} fixed,{" "}
              {count(counts.regressed)} regressed.{" "}
            </>
          )}
          {difference.low !== null && <>95% interval{method ? ` (${method})` : ""}</>}
          {difference.p !== null && `, ${pValue(difference.p)}`}
          {difference.low !== null && "."}
          {margin !== null && ` Dashed: the margin of ${points(-margin)}.`}
        </p>
        {warnings.map((warning) => (
          <p key={warning.what + warning.message} className="method">
            <Name text={warning.message} />
          </p>
        ))}
      </div>
      <DifferenceChart difference={difference} margin={margin} />
    </section>
  );
}

const WORDS: Record<Tone, string> = {
  better: "Better than",
  worse: "Worse than",
  even: "No clear change from",
};
/** The same where the sentence begins with "… is". */
const WORDS_WITHIN: Record<Tone, string> = {
  better: "better than",
  worse: "worse than",
  even: "not clearly different from",
};
const GLYPHS: Record<Tone, string> = { better: "▲", worse: "▼", even: "≈" };

function Sentence({ baseline, comparison }: Omit<Props, "margin">) {
  return (
    <DifferenceSentence baseline={baseline.name || baseline.run_id} difference={comparison.difference}>
      <Name text={comparison.sentence} />
    </DifferenceSentence>
  );
}

type SentenceProps = {
  baseline: string;
  difference: RunComparison["difference"];
  isWithin?: boolean;
  /** What is said of a difference without an interval, which has no picture either. */
  children: ReactNode;
};

/** Better, worse, or not to be told, and by how much. */
export function DifferenceSentence({ baseline, difference, isWithin = false, children }: SentenceProps) {
  if (difference.low === null || difference.high === null) return <>{children}</>;
  const tone = toneOf(difference);
  return (
    <>
      {(isWithin ? WORDS_WITHIN : WORDS)[tone]} <Name text={baseline} />:{" "}
      <span className={`delta ${tone}`}>
        <span aria-hidden="true">{GLYPHS[tone]}</span> {points(difference.value)} points
      </span>
      , likely between {points(difference.low)} and {points(difference.high)}.
    </>
  );
}
