import { type Search, textOf } from "@/format/search";

export function filesSearch(search: Search): { search?: string | undefined } {
  return { search: textOf(search, "search") };
}
