import type { Difference } from "@/api/types";
import { points } from "@/format/numbers";

export type Tone = "better" | "worse" | "even";

/** Which way a difference points: only one that can be told has a direction. */
export function toneOf(difference: { verdict: string }): Tone {
  if (difference.verdict === "better") return "better";
  return difference.verdict === "worse" || difference.verdict === "regression" ? "worse" : "even";
}

const GLYPHS: Record<Tone, string> = { better: "▲", worse: "▼", even: "≈" };
const WORDS: Record<Tone, string> = { better: "better", worse: "worse", even: "no clear change" };

/** A difference of rates in points with its interval, as `▲ +21.5  +18.7 to +24.4`. */
export function Delta({ difference }: { difference: Difference }) {
  const tone = toneOf(difference);
  const { low, high } = difference;
  if (low === null || high === null) return <span className="delta even">≈ too few to say</span>;
  return (
    <span className={`delta ${tone}`}>
      <span className="figure">
        <span aria-hidden="true">{GLYPHS[tone]}</span> {points(difference.value)}
        <span className="hidden-text"> points, {WORDS[tone]}</span>
      </span>{" "}
      <small>
        {points(low)} to {points(high)}
      </small>
    </span>
  );
}
