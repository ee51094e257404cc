import { choiceOf, type Search, textOf, textsOf } from "@/format/search";

export const STATUSES = ["pass", "fail", "error"] as const;
export const SORTS = ["position", "score", "latency", "tokens"] as const;
export const OUTCOMES = ["passed", "failed", "errored"] as const;
const RANGES = [
  "least_score",
  "most_score",
  "least_latency",
  "most_latency",
  "least_tokens",
  "most_tokens",
] as const;

export type ItemStatus = (typeof STATUSES)[number];
export type ItemSort = (typeof SORTS)[number];
export type CriterionOutcome = (typeof OUTCOMES)[number];
type Range = (typeof RANGES)[number];

/** Which items are shown, and in which order: the parameters of `/api/runs/{run_id}/items`. */
export type ItemsFilter = {
  status?: ItemStatus[] | undefined;
  /** Names of criteria that came out in this way. */
  passed?: string[] | undefined;
  failed?: string[] | undefined;
  errored?: string[] | undefined;
  /** The criterion that scores are of; without it, the mean of all. */
  criterion?: string | undefined;
  error?: string[] | undefined;
  error_code?: string[] | undefined;
  /** `field:value` of the items. */
  group?: string[] | undefined;
  text?: string | undefined;
  sort?: ItemSort | undefined;
  order?: "asc" | "desc" | undefined;
} & { [K in Range]?: number | undefined };

export type ItemsSearch = ItemsFilter & {
  /** Fields of the items that are columns of their own. */
  fields?: string[] | undefined;
  /** Rank of the row that is chosen, from 0. */
  row?: number | undefined;
  /** The output item that the drawer shows. */
  item?: string | undefined;
};

/** The parameters of a filter and its order, which go with an item from page to page. */
export function itemsFilter(search: Search): ItemsFilter {
  const statuses = textsOf(search, "status")?.filter((each) => STATUSES.includes(each as ItemStatus));
  const filter: ItemsFilter = {
    status: statuses?.length ? (statuses as ItemStatus[]) : undefined,
    passed: textsOf(search, "passed"),
    failed: textsOf(search, "failed"),
    errored: textsOf(search, "errored"),
    criterion: textOf(search, "criterion"),
    error: textsOf(search, "error"),
    error_code: textsOf(search, "error_code"),
    group: textsOf(search, "group"),
    text: textOf(search, "text"),
    sort: choiceOf(search, "sort", SORTS),
    order: choiceOf(search, "order", ["asc", "desc"] as const),
  };
  for (const name of RANGES) filter[name] = numberOf(search, name);
  return filter;
}

export function itemsSearch(search: Search): ItemsSearch {
  const row = numberOf(search, "row");
  return {
    ...itemsFilter(search),
    fields: textsOf(search, "fields"),
    row: row !== undefined && row >= 0 ? Math.floor(row) : undefined,
    item: textOf(search, "item"),
  };
}

/** Whether anything but the order is chosen. */
export function isFiltered({
  sort: _sort,
  order: _order,
  criterion: _criterion,
  ...filter
}: ItemsFilter): boolean {
  return Object.values(filter).some((each) => each !== undefined);
}

function numberOf(search: Search, name: string): number | undefined {
  const value = search[name];
  if (typeof value === "string" && value.trim() === "") return undefined;
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}
