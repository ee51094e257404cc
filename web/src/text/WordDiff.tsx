import { useMemo, useState } from "react";
import { bytes } from "@/format/numbers";
import { compareWords, cutAt, type Part } from "./compareWords";
import { visibleText } from "./visible";

type Side = "left" | "right" | "both";
type Props = { left: string; right: string; side: Side };

const SHOWN_CHARACTERS = 20_000;

/**
 * One of two texts with the words marked that the other lacks, or both in one; their ends on request.
 * What of long texts is not compared is not marked, and it says so.
 */
export function WordDiff({ left, right, side }: Props) {
  const [isWhole, setWhole] = useState(false);
  const { parts, isCoarse } = useMemo(() => compareWords(left, right), [left, right]);
  const all = parts.filter((each) => side === "both" || each.of === "both" || each.of === side);
  const size = all.reduce((sum, each) => sum + each.text.length, 0);
  const isCut = !isWhole && size > SHOWN_CHARACTERS;
  const shown = isCut ? beginning(all) : all;
  const firstLeft = shown.findIndex((each) => !each.isCompared);
  return (
    <div className={side === "both" ? "text one-text" : "text"} dir="auto">
      {isCoarse && <p className="diff-note">Too different to be compared word by word.</p>}
      {shown.map((each, place) => (
        // Parts never move, so their places are their keys.
        <PartText key={place} part={each} isFirstLeft={place === firstLeft} />
      ))}
      {isCut && (
        <p>
          <button type="button" className="button slim" onClick={() => setWhole(true)}>
            Show all {bytes(size)}
          </button>
        </p>
      )}
    </div>
  );
}

function PartText({ part, isFirstLeft }: { part: Part; isFirstLeft: boolean }) {
  const text = visibleText(part.text);
  if (!part.isCompared) {
    return (
      <>
        {isFirstLeft && <span className="diff-note">Compared up to here; nothing below is marked.</span>}
        {text}
      </>
    );
  }
  if (part.of === "both") return text;
  return part.of === "right" ? <ins>{text}</ins> : <del>{text}</del>;
}

/** Return the parts that a text begins with, the last of them cut. */
function beginning(parts: readonly Part[]): Part[] {
  const shown: Part[] = [];
  let left = SHOWN_CHARACTERS;
  for (const part of parts) {
    if (left <= 0) break;
    shown.push({ ...part, text: part.text.slice(0, cutAt(part.text, left)) });
    left -= part.text.length;
  }
  return shown;
}
