import { type Search, textOf } from "@/format/search";

export type EvalsSearch = { search?: string | undefined };

export function evalsSearch(search: Search): EvalsSearch {
  return { search: textOf(search, "search") };
}
