import { parseJson } from "@/api/json";
import { isObject } from "@/pages/item/contents";

const SHOWN_ROWS = 20;
const SHOWN_FIELDS = 8;

export type FirstRows = { fields: string[]; rows: Record<string, unknown>[] };

/** Return the first rows of a file of JSON lines, by the fields of their items; null if it is none. */
export function firstRows(text: string, isWhole: boolean): FirstRows | null {
  const lines = text.split("\n");
  // The last line may be cut.
  if (!isWhole) lines.pop();
  const written = lines.filter((line) => line.trim() !== "").slice(0, SHOWN_ROWS);
  const rows: Record<string, unknown>[] = [];
  for (const line of written) {
    const row = objectIn(line);
    if (row === null) return null;
    rows.push(isObject(row.item) ? row.item : row);
  }
  const fields = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return rows.length === 0 ? null : { fields: fields.slice(0, SHOWN_FIELDS), rows };
}

function objectIn(line: string): Record<string, unknown> | null {
  try {
    const value = parseJson(line);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
