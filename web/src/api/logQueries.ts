import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { get } from "./client";

/** Questions for the calls that are stored. */

const PAGE = 50;
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

/** Calls at a glance, newest first, page by page. */
export function callsQuery(filter: CallsFilter) {
  return infiniteQueryOptions({
    queryKey: ["calls", filter],
    queryFn: ({ pageParam, signal }) =>
      get("/api/logs/calls", { query: { ...filter, limit: PAGE, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    staleTime: FRESH_MS,
  });
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
