import { type Search, textOf } from "@/format/search";
import { MOST_RUNS } from "@/pages/compare/search";

export type EvalSearch = {
  /** Ids of the runs that are to be compared, with commas between. */
  selected?: string | undefined;
};

export function evalSearch(search: Search): EvalSearch {
  return { selected: textOf(search, "selected") };
}

/** Return the chosen runs, each once. */
export function selectedOf(search: EvalSearch): string[] {
  return [...new Set((search.selected ?? "").split(",").filter((each) => each !== ""))].slice(0, MOST_RUNS);
}

/** Return the address's text for a choice with one run added or taken away. A full choice takes no more. */
export function toggled(selected: readonly string[], id: string): string | undefined {
  const without = selected.filter((each) => each !== id);
  if (without.length === selected.length && selected.length < MOST_RUNS) without.push(id);
  else if (without.length === selected.length) return selected.join(",");
  return without.join(",") || undefined;
}
