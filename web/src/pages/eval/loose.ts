import { renderJson } from "@/api/json";

/** Documents that users wrote may hold anything: they are read with care, and shown as JSON where nothing fits. */
export type Loose = Record<string, unknown>;

export function isObject(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function wordOf(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined ? "" : renderJson(value, 0);
}

/** Return the text of a message's content, whatever form it has. */
export function textOfContent(content: unknown): string {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(textOfContent).join("\n");
  if (isObject(content) && typeof content.text === "string") return content.text;
  return wordOf(content);
}
