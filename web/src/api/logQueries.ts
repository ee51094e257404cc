import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get, post } from "./client";

/** Questions for the calls that are stored. */

const PAGE = 50;
/** However far somebody goes back, so many pages are kept; newer ones are fetched again when they are wanted. */
const MOST_PAGES = 6;
const FRESH_MS = 60_000;
const STATUS_POLL_MS = 30_000;

export type CallsFilter = {
  kind?: "chat" | "responses" | undefined;
  model?: string | undefined;
  text?: string | undefined;
  metadata?: Record<string, string> | undefined;
  created_after?: number | undefined;
  created_before?: number | undefined;
};

/** Where a page begins: below a call, or above one. */
type Place = { below?: string | undefined; above?: string | undefined };

/** Calls at a glance, newest first, page by page, in both directions. */
export function callsQuery(filter: CallsFilter) {
  return infiniteQueryOptions({
    queryKey: ["calls", filter],
    queryFn: ({ pageParam, signal }) => callsPage(filter, pageParam, signal),
    initialPageParam: {} as Place,
    getNextPageParam: (page): Place | undefined =>
      page.hasOlder ? { below: page.data.at(-1)?.id } : undefined,
    getPreviousPageParam: (page): Place | undefined =>
      page.hasNewer ? { above: page.data.at(0)?.id } : undefined,
    maxPages: MOST_PAGES,
    placeholderData: keepPreviousData,
    staleTime: FRESH_MS,
  });
}

async function callsPage(filter: CallsFilter, { below, above }: Place, signal: AbortSignal) {
  const query = { ...filter, limit: PAGE, after: above ?? below };
  if (above === undefined) {
    const { data, has_more } = await get("/api/logs/calls", { query, signal });
    return { data, hasOlder: has_more, hasNewer: below !== undefined };
  }
  const { data, has_more } = await get("/api/logs/calls", { query: { ...query, order: "asc" }, signal });
  return { data: data.toReversed(), hasOlder: true, hasNewer: has_more };
}

/** A call with its request and its reply. */
export function callQuery(callId: string) {
  return queryOptions({
    queryKey: ["call", callId],
    queryFn: ({ signal }) => get("/api/logs/calls/{call_id}", { path: { call_id: callId }, signal }),
    staleTime: FRESH_MS,
  });
}

/** How many calls are stored, wait, and were lost. */
export const logStatusQuery = queryOptions({
  queryKey: ["log status"],
  queryFn: ({ signal }) => get("/api/logs", { signal }),
  refetchInterval: STATUS_POLL_MS,
});

/** For how many days the project keeps its calls, and for how many the server allows. */
export const retentionQuery = queryOptions({
  queryKey: ["retention"],
  queryFn: ({ signal }) => get("/api/logs/retention", { signal }),
});

/** Set for how many days the project keeps its calls; null: for as long as the server keeps any. */
export function setRetention(days: number | null) {
  return post("/api/logs/retention", { body: { days } });
}
