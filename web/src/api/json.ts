const LONG_NUMBER = /\d{16}/;

/** Whoever calls `JSON.parse` with a reviver is told the text of each value; the library's types do not know yet. */
type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

/** Parse JSON without rounding whole numbers that a JavaScript number cannot hold: they become bigints. */
export function parseJson(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  const keepDigits: Reviver = (_key, value, context) => {
    const isRounded = typeof value === "number" && !Number.isSafeInteger(value);
    return isRounded && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context?.source ?? "") : value;
  };
  return (JSON.parse as (text: string, reviver: Reviver) => unknown)(text, keepDigits);
}

/** Return JSON, with indentation unless it is 0, long whole numbers to the last digit. */
export function renderJson(value: unknown, indentation = 2): string {
  const big = new Map<string, string>();
  const text = JSON.stringify(
    value,
    (_key, each: unknown) => {
      if (typeof each !== "bigint") return each;
      const mark = `\u0000${big.size}\u0000`;
      big.set(JSON.stringify(mark), each.toString());
      return mark;
    },
    indentation,
  );
  return [...big].reduce((shown, [mark, digits]) => shown.replace(mark, digits), text ?? "null");
}
