import { type Search, textOf } from "@/format/search";

/** `by`: the field of the items that the report is broken down by. */
export type RunSearch = { by?: string | undefined };

export function runSearch(search: Search): RunSearch {
  return { by: textOf(search, "by") };
}
