import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "./client";

/** Questions of the page that compares runs. */

/** Runs against a baseline; without one, the server chooses it for the first run. */
export function compareQuery(runs: readonly string[], base: string | undefined, margin: number | undefined) {
  return queryOptions({
    queryKey: ["compare", runs, base, margin],
    queryFn: ({ signal }) => get("/api/compare", { query: { runs: [...runs], base, margin }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    enabled: runs.length > 0,
  });
}

export type ComparedItemsFilter = {
  run: string;
  base: string;
  change: readonly string[];
  criterion?: string | undefined;
  group?: string | undefined;
  text?: string | undefined;
  least_change?: number | undefined;
  most_change?: number | undefined;
  least_score?: number | undefined;
  most_score?: number | undefined;
  sort?: "position" | "change" | undefined;
  order?: "asc" | "desc" | undefined;
  after?: number | undefined;
  limit: number;
};

/** One page of the items of a comparison. */
export function comparedItemsQuery(filter: ComparedItemsFilter) {
  return queryOptions({
    queryKey: ["compared-items", filter],
    queryFn: ({ signal }) =>
      get("/api/compare/items", { query: { ...filter, change: [...filter.change] }, signal }),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}

/** Runs to choose from, newest first: of one eval, or of all. */
export function runChoicesQuery(evalId: string | undefined, search: string) {
  return queryOptions({
    queryKey: ["run-choices", evalId, search],
    queryFn: ({ signal }) =>
      get("/api/runs", { query: { eval: evalId, search: search || undefined, limit: 50 }, signal }),
    placeholderData: keepPreviousData,
  });
}
