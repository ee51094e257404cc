import { Name } from "@/text/SafeText";

const SLOT = /(\{\{[^{}]*\}\})/;

/** A template, what is filled in from the item or the sample set apart. */
export function Template({ text }: { text: string }) {
  return (
    <div className="code template" dir="auto">
      {text === "" && <span className="third">(empty)</span>}
      {text.split("\n").map((line, number) => (
        <div key={number}>
          {line.split(SLOT).map((piece, place) =>
            place % 2 === 1 ? (
              <mark key={place} className="slot">
                <Name text={piece} />
              </mark>
            ) : (
              <Name key={place} text={piece} />
            ),
          )}
        </div>
      ))}
    </div>
  );
}
