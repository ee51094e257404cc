/** Characters that would hide something, or move what stands beside them, are shown by their number. */
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udc7f]/g;

export type Piece = { text: string; isHidden: boolean };

/** Return a text in pieces, hidden characters apart, each by a name that can be read. */
export function visiblePieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > end) pieces.push({ text: text.slice(end, found.index), isHidden: false });
    pieces.push({ text: nameOf(found[0]), isHidden: true });
    end = found.index + found[0].length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), isHidden: false });
  return pieces;
}

/** Return a text for places that hold no elements, such as titles and labels of charts. */
export function visibleText(text: string): string {
  return text.replace(HIDDEN, nameOf);
}

/** Return the beginning of a name for a chart, with `…` where it was cut; no character is cut in two. */
export function shortened(name: string, longest: number): string {
  const letters = [...new Intl.Segmenter().segment(visibleText(name.slice(0, longest * LONGEST_LETTER)))];
  if (letters.length <= longest && name.length <= longest * LONGEST_LETTER) return visibleText(name);
  return `${letters
    .slice(0, longest - 1)
    .map((each) => each.segment)
    .join("")}…`;
}

const LONGEST_LETTER = 20;

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "␡" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
