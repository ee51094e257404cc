import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { isUnderWay } from "@/format/words";
import { ApiError, get } from "./client";

/** Every question to the server: what is asked, under which key it is kept, and when it is asked again. */

/** How often a run is asked for where its events do not come through. */
export const POLL_MS = 2_000;
export const LIST_POLL_MS = 5_000;
const IDLE_POLL_MS = 30_000;
const PAGE = 100;

export type EvalsFilter = {
  search?: string | undefined;
  type?: ("custom" | "logs" | "stored_completions")[] | undefined;
  status?: ("queued" | "in_progress" | "completed" | "canceled" | "failed" | "none")[] | undefined;
  sort?: "last_run" | "created" | "updated" | undefined;
};

/** Evals with their last runs, page by page. */
export function evalsQuery(filter: EvalsFilter) {
  return infiniteQueryOptions({
    queryKey: ["evals", filter],
    queryFn: ({ pageParam, signal }) =>
      get("/api/evals", { query: { ...filter, limit: PAGE, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.pages.some(hasRunning) ? LIST_POLL_MS : false),
  });
}

function hasRunning(page: { data: { last_run: { status: string } | null }[] }): boolean {
  return page.data.some((each) => each.last_run !== null && isUnderWay(each.last_run.status));
}

/** Runs under way, for the bar at the top. */
export const runningQuery = queryOptions({
  queryKey: ["running"],
  queryFn: ({ signal }) =>
    get("/api/runs", { query: { status: ["in_progress", "queued"], limit: 20 }, signal }),
  refetchInterval: ({ state }) => (state.data?.data.length ? LIST_POLL_MS : IDLE_POLL_MS),
});

export function evalQuery(evalId: string) {
  return queryOptions({
    queryKey: ["eval", evalId],
    queryFn: ({ signal }) => get("/v1/evals/{eval_id}", { path: { eval_id: evalId }, signal }),
    staleTime: 60_000,
  });
}

/** A run without its rows. */
export function runQuery(runId: string) {
  return queryOptions({
    queryKey: ["run", runId],
    queryFn: ({ signal }) =>
      get("/api/runs/{run_id}", { path: { run_id: runId }, query: { rows: false }, signal }),
  });
}

export function reportQuery(runId: string, isLive: boolean) {
  return queryOptions({
    queryKey: ["report", runId],
    queryFn: ({ signal }) => get("/api/runs/{run_id}/report", { path: { run_id: runId }, signal }),
    refetchInterval: isLive ? LIST_POLL_MS : false,
  });
}

/** The report with the rates by one field. */
export function breakdownQuery(runId: string, by: string, isLive: boolean) {
  return queryOptions({
    queryKey: ["report", runId, by],
    queryFn: ({ signal }) =>
      get("/api/runs/{run_id}/report", { path: { run_id: runId }, query: { by: [by] }, signal }),
    refetchInterval: isLive ? LIST_POLL_MS : false,
  });
}

/** A run against its baseline, chosen by the server; null where there is none to compare with. */
export function comparisonQuery(runId: string) {
  return queryOptions({
    queryKey: ["comparison", runId],
    queryFn: async ({ signal }) => {
      try {
        return await get("/api/compare", { query: { runs: [runId] }, signal });
      } catch (error) {
        if (error instanceof ApiError && error.code === "no_baseline") return null;
        throw error;
      }
    },
    staleTime: 60_000,
  });
}
