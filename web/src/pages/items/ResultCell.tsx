import type { ItemResult, ItemRow } from "@/api/types";
import { figure } from "@/format/numbers";
import { Outcome, type OutcomeKind } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";

/** Graders whose score says no more than whether it passed. */
const TWO_SCORES = new Set(["string_check", "label_model"]);

/** What one criterion said of an item: the glyph, and the score or the error beside it. */
export function ResultCell({
  row,
  result,
  type,
}: {
  row: ItemRow;
  result: ItemResult | undefined;
  type: string;
}) {
  const error = result?.error ?? null;
  // The item never came so far: its own error stands in place of the output.
  if (error === null && row.error !== null && result?.passed == null) return <Outcome kind="error" />;
  if (error !== null)
    return (
      <Outcome kind="error">
        <span className="second small" title={row.error?.message}>
          <Name text={error} />
        </span>
      </Outcome>
    );
  if (result === undefined || result.passed === null) return <Outcome kind="missing">–</Outcome>;
  const isPlain = TWO_SCORES.has(type) || (type === "python" && (result.score === 0 || result.score === 1));
  return (
    <Outcome kind={result.passed ? "pass" : "fail"}>
      {!isPlain && result.score !== null && figure(result.score)}
    </Outcome>
  );
}

/** The glyph of an item as a whole. */
export function kindOf(status: string): OutcomeKind {
  return status === "pass" || status === "fail" || status === "error" ? status : "missing";
}
