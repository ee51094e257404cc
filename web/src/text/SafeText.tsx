import { type ReactNode, useMemo, useState } from "react";
import { bytes } from "@/format/numbers";
import { visiblePieces } from "./visible";

const SHOWN_CHARACTERS = 20_000;

/** A short text of a user or a model within a line: a name, a message. */
export function Name({ text }: { text: string }) {
  return <bdi>{marked(text.replace(/[\n\t]/g, " "))}</bdi>;
}

/** A long text of a user or a model: never HTML, hidden characters visible, its end on request. */
export function Text({ text, className = "" }: { text: string; className?: string }) {
  const [isWhole, setWhole] = useState(false);
  const isCut = !isWhole && text.length > SHOWN_CHARACTERS;
  const shown = useMemo(() => marked(isCut ? text.slice(0, SHOWN_CHARACTERS) : text), [text, isCut]);
  return (
    <div className={`text ${className}`} dir="auto">
      {shown}
      {isCut && (
        <p>
          <button type="button" className="button slim" onClick={() => setWhole(true)}>
            Show all {bytes(text.length)}
          </button>
        </p>
      )}
    </div>
  );
}

function marked(text: string): ReactNode {
  const pieces = visiblePieces(text);
  if (pieces.length === 1 && pieces[0]?.isHidden === false) return text;
  // A text's pieces never move, so their places are their keys.
  return pieces.map((piece, place) =>
    piece.isHidden ? (
      <span key={place} className="control">
        {piece.text}
      </span>
    ) : (
      piece.text
    ),
  );
}
