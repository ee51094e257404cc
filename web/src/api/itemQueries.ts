import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { ItemsFilter } from "@/pages/items/search";
import { get } from "./client";
import { previousOf } from "./previous";
import type { ItemRow, ItemRowList } from "./types";

/** Questions for the items of a run. What was scrolled past is forgotten, so that a tab stays small. */

export const WINDOW = 100;
const CHARS = 240;
const LONG_PREVIEW = 2_000;
const FORGET_MS = 20_000;
const FRESH_MS = 60_000;

export type Columns = readonly string[];

/** Rows from `WINDOW * place` on, with what the page says of the whole. */
export function windowQuery(runId: string, filter: ItemsFilter, fields: Columns, place: number) {
  return queryOptions({
    queryKey: ["items", runId, filter, fields, place],
    queryFn: async ({ signal }): Promise<ItemRowList> => {
      const from = place * WINDOW;
      const first = await page(from, WINDOW);
      const rows: ItemRow[] = [...first.data];
      // A page of large items is shorter.
      for (
        let more = first.has_more;
        more && first.ranked && first.total !== null && rows.length < WINDOW;
      ) {
        const next = await page(from + rows.length, WINDOW - rows.length);
        rows.push(...next.data);
        more = next.has_more && next.data.length > 0;
      }
      return { ...first, data: rows };

      function page(start: number, limit: number) {
        const query = { ...filter, fields: [...fields], from: start || undefined, limit, chars: CHARS };
        return get("/api/runs/{run_id}/items", { path: { run_id: runId }, query, signal });
      }
    },
    staleTime: FRESH_MS,
    gcTime: place === 0 ? undefined : FORGET_MS,
    placeholderData: place === 0 ? previousOf(runId) : undefined,
  });
}

/** Rows one page after the other, where they have no rank: while a text is searched, and in large runs under way. */
export function listedQuery(runId: string, filter: ItemsFilter, fields: Columns) {
  return infiniteQueryOptions({
    queryKey: ["items", runId, filter, fields, "listed"],
    queryFn: ({ pageParam, signal }) =>
      get("/api/runs/{run_id}/items", {
        path: { run_id: runId },
        query: { ...filter, fields: [...fields], after: pageParam, limit: WINDOW, chars: CHARS },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    staleTime: FRESH_MS,
  });
}

/** The row of one item with long previews. */
export function rowQuery(runId: string, filter: ItemsFilter, rank: number) {
  return queryOptions({
    queryKey: ["row", runId, filter, rank],
    queryFn: ({ signal }) =>
      get("/api/runs/{run_id}/items", {
        path: { run_id: runId },
        query: { ...filter, from: rank || undefined, limit: 1, chars: LONG_PREVIEW },
        signal,
      }),
    staleTime: FRESH_MS,
  });
}

/** An output item with everything in it. */
export function itemQuery(evalId: string, runId: string, itemId: string) {
  return queryOptions({
    queryKey: ["item", itemId],
    queryFn: ({ signal }) =>
      get("/v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}", {
        path: { eval_id: evalId, run_id: runId, output_item_id: itemId },
        signal,
      }),
    staleTime: FRESH_MS,
  });
}

/** Where an item stands within a filter, and how it came out in other runs. */
export function placeQuery(runId: string, itemId: string, filter: ItemsFilter) {
  return queryOptions({
    queryKey: ["place", itemId, filter],
    queryFn: ({ signal }) =>
      get("/api/runs/{run_id}/items/{output_item_id}", {
        path: { run_id: runId, output_item_id: itemId },
        query: { ...filter },
        signal,
      }),
    staleTime: FRESH_MS,
  });
}
