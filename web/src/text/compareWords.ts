import { diffWordsWithSpace } from "diff";

/** A part of two texts: in both, in one of them, or behind what was compared. */
export type Part = { of: "both" | "left" | "right"; text: string; isCompared: boolean };

export type ComparedWords = {
  parts: readonly Part[];
  /** Whether the middle of the texts is too different to be told apart by words in time. */
  isCoarse: boolean;
};

/** So many characters of each text are compared, beginning with the first that differ. */
const MOST_COMPARED = 20_000;
const MOST_EDITS = 1_500;
const PATIENCE_MS = 150;
/** A word is no longer, as far as marks are concerned. */
const LONGEST_WORD = 200;

/** Compare two texts by words in a time that is bounded, however long they are. */
export function compareWords(left: string, right: string): ComparedWords {
  if (left === right) return { parts: [{ of: "both", text: left, isCompared: true }], isCoarse: false };
  const start = commonStart(left, right);
  const end = commonEnd(left, right, start);
  const middle = [left, right].map((text) => text.slice(start, text.length - end));
  const [before = "", after = ""] = middle.map((text) => text.slice(0, cutAt(text, MOST_COMPARED)));
  const [leftRest = "", rightRest = ""] = [middle[0]?.slice(before.length), middle[1]?.slice(after.length)];
  const isCut = leftRest !== "" || rightRest !== "";
  const found = diffWordsWithSpace(before, after, { timeout: PATIENCE_MS, maxEditLength: MOST_EDITS });
  const isAlike = found?.some((each) => !each.added && !each.removed && /\S/.test(each.value));
  const changes: Part[] = isAlike
    ? (found ?? []).map((each) => ({
        of: each.added ? "right" : each.removed ? "left" : "both",
        text: each.value,
        isCompared: true,
      }))
    : [
        { of: "left", text: before, isCompared: true },
        { of: "right", text: after, isCompared: true },
      ];
  const parts: Part[] = [
    { of: "both", text: left.slice(0, start), isCompared: true },
    ...changes,
    { of: "left", text: leftRest, isCompared: false },
    { of: "right", text: rightRest, isCompared: false },
    { of: "both", text: left.slice(left.length - end), isCompared: !isCut },
  ];
  return { parts: parts.filter((each) => each.text !== ""), isCoarse: found === undefined };
}

/** Return how many characters two texts begin with alike, to the end of a word. */
function commonStart(left: string, right: string): number {
  const most = Math.min(left.length, right.length);
  let at = 0;
  while (at < most && left[at] === right[at]) at++;
  const word = /\S*$/.exec(left.slice(Math.max(0, at - LONGEST_WORD), at))?.[0] ?? "";
  return whole(left, at - word.length);
}

/** The same for their ends, without what belongs to the beginning. */
function commonEnd(left: string, right: string, start: number): number {
  const most = Math.min(left.length, right.length) - start;
  let count = 0;
  while (count < most && left[left.length - 1 - count] === right[right.length - 1 - count]) count++;
  const from = left.length - count;
  const word = /^\S*/.exec(left.slice(from, from + LONGEST_WORD))?.[0] ?? "";
  const cut = from + word.length;
  return left.length - (whole(left, cut) === cut ? cut : cut + 1);
}

/** Return where a text is cut: at most after so many characters, at the end of a word if there is one. */
export function cutAt(text: string, most: number): number {
  if (text.length <= most) return text.length;
  const word = /\S*$/.exec(text.slice(most - LONGEST_WORD, most))?.[0] ?? "";
  return whole(text, word.length < LONGEST_WORD ? most - word.length : most);
}

/** Return a place that lies within no character of two halves. */
function whole(text: string, at: number): number {
  return /[\ud800-\udbff]/.test(text[at - 1] ?? "") ? at - 1 : at;
}
