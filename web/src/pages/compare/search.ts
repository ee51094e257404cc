import { choiceOf, type Search, textOf } from "@/format/search";

/** What happened to items: the word of the address, and the changes of the API that it stands for. */
export const MODES = {
  regressed: ["regressed"],
  fixed: ["fixed"],
  different: ["regressed", "fixed"],
  same: ["passed", "failed"],
  passed: ["passed"],
  failed: ["failed"],
  missing: ["missing", "new"],
  errored: ["errored"],
  all: [],
} as const;

export type Mode = keyof typeof MODES;

export const MOST_RUNS = 5;

export const BOUNDS = ["least_change", "most_change", "least_score", "most_score"] as const;

export type Bound = (typeof BOUNDS)[number];

export type CompareSearch = {
  /** Ids with commas between. */
  runs?: string | undefined;
  base?: string | undefined;
  /** How much worse a run may be, as a rate. */
  margin?: number | undefined;
  /** Whose items are shown; the first that is compared, without it. */
  run?: string | undefined;
  change?: Mode | undefined;
  criterion?: string | undefined;
  group?: string | undefined;
  text?: string | undefined;
  /** By what items are sorted: their position, without it. */
  sort?: "change" | undefined;
  order?: "desc" | undefined;
  /** Where the page of items begins. */
  at?: number | undefined;
  /** An output item of either side. */
  item?: string | undefined;
  view?: "one" | undefined;
  /** Whether the table stands alone, without an item beside it. */
  pane?: "off" | undefined;
} & Partial<Record<Bound, number | undefined>>;

/** What is no longer true once other items are asked for. */
export const FROM_THE_START = { at: undefined, item: undefined } as const;

/** A link is the current one only where it leads to this very address: one with fewer filters is another. */
export const ONLY_HERE = { exact: true, explicitUndefined: true } as const;

/** No filter but the mode and the criterion. */
export const NO_FILTERS = {
  group: undefined,
  text: undefined,
  least_change: undefined,
  most_change: undefined,
  least_score: undefined,
  most_score: undefined,
} as const;

export function compareSearch(search: Search): CompareSearch {
  return {
    runs: textOf(search, "runs"),
    base: textOf(search, "base"),
    margin: numberOf(search, "margin"),
    run: textOf(search, "run"),
    change: choiceOf(search, "change", Object.keys(MODES) as Mode[]),
    criterion: textOf(search, "criterion"),
    group: textOf(search, "group"),
    text: textOf(search, "text"),
    sort: choiceOf(search, "sort", ["change"]),
    order: choiceOf(search, "order", ["desc"]),
    least_change: numberOf(search, "least_change"),
    most_change: numberOf(search, "most_change"),
    least_score: numberOf(search, "least_score"),
    most_score: numberOf(search, "most_score"),
    at: numberOf(search, "at"),
    item: textOf(search, "item"),
    view: choiceOf(search, "view", ["one"]),
    pane: choiceOf(search, "pane", ["off"]),
  };
}

function numberOf(search: Search, name: string): number | undefined {
  const value = search[name];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Return the runs that an address names, each once. */
export function idsOf(search: CompareSearch): string[] {
  return [...new Set((search.runs ?? "").split(",").filter((each) => each !== ""))].slice(0, MOST_RUNS);
}

/** Return the run that the others are compared with; undefined leaves the choice to the server. */
export function baseOf(search: CompareSearch): string | undefined {
  const ids = idsOf(search);
  return search.base ?? (ids.length > 1 ? ids[0] : undefined);
}
