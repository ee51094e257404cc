import { type Change, diffWordsWithSpace } from "diff";
import { useMemo } from "react";
import { visibleText } from "./visible";

const PATIENCE_MS = 400;

/** Return how two texts differ by words; null if it takes too long to tell. */
export function wordChanges(left: string, right: string): Change[] | null {
  return diffWordsWithSpace(left, right, { timeout: PATIENCE_MS }) ?? null;
}

type Side = "left" | "right" | "both";

/**
 * One of two texts with the words marked that the other lacks, or both in one.
 * Where the texts are too different to be compared in time, the text stands as it is.
 */
export function WordDiff({ left, right, side }: { left: string; right: string; side: Side }) {
  const changes = useMemo(() => wordChanges(left, right), [left, right]);
  if (changes === null) {
    return (
      <div className="text" dir="auto">
        {visibleText(side === "left" ? left : right)}
      </div>
    );
  }
  const shown = changes.filter((each) =>
    each.added ? side !== "left" : each.removed ? side !== "right" : true,
  );
  return (
    <div className={side === "both" ? "text one-text" : "text"} dir="auto">
      {shown.map((each, place) => {
        const text = visibleText(each.value);
        return each.added ? (
          <ins key={place}>{text}</ins>
        ) : each.removed ? (
          <del key={place}>{text}</del>
        ) : (
          text
        );
      })}
    </div>
  );
}
