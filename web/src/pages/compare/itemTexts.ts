import { renderJson } from "@/api/json";
import type { ComparedItem } from "@/api/types";

export type Field = { name: string; text: string };

const SHORTEST_PREVIEW = 24;
const LONGEST_SHORT = 60;

/** Return the fields of an item with their values as texts. */
export function fieldsOf(item: ComparedItem): Field[] {
  return Object.entries(item.item ?? {}).map(([name, value]) => ({
    name,
    text: typeof value === "string" ? value : renderJson(value),
  }));
}

/** Return the field that tells items apart at a glance: the first one with some text, else the first. */
export function previewOf(item: ComparedItem): Field | undefined {
  const fields = fieldsOf(item);
  return fields.find((each) => each.text.length >= SHORTEST_PREVIEW) ?? fields[0];
}

export function isShort(field: Field): boolean {
  return field.text.length <= LONGEST_SHORT && !field.text.includes("\n");
}
