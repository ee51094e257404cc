import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { isUnderWay } from "@/format/words";
import { get } from "./client";
import { previousOf } from "./previous";
import { POLL_MS } from "./queries";
import type { EvalOverview, RunOverview } from "./types";

/** Questions of the page of an eval and of the list of all runs. */

const PAGE = 100;

/** What the list of evals says of one of them; null where it does not have it. */
export function overviewQuery(evalId: string) {
  return queryOptions({
    queryKey: ["eval-overview", evalId],
    queryFn: async ({ signal }): Promise<EvalOverview | null> => {
      const found = await get("/api/evals", { query: { search: evalId, limit: 20 }, signal });
      return found.data.find((each) => each.id === evalId) ?? null;
    },
  });
}

/** An eval with those that it follows, and what each of them changed. */
export function versionsQuery(evalId: string) {
  return queryOptions({
    queryKey: ["eval-versions", evalId],
    queryFn: ({ signal }) => get("/api/evals/{eval_id}/versions", { path: { eval_id: evalId }, signal }),
  });
}

export type RunsFilter = {
  eval?: string | undefined;
  /** Whether runs of the evals that it follows are wanted, too. */
  versions?: boolean | undefined;
  status?: ("queued" | "in_progress" | "completed" | "canceled" | "failed")[] | undefined;
  model?: string | undefined;
  search?: string | undefined;
};

/** Runs, the running ones first, page by page; asked again while one of them is under way. */
export function runsQuery(filter: RunsFilter) {
  return infiniteQueryOptions({
    queryKey: ["runs", filter.eval, filter],
    queryFn: ({ pageParam, signal }) =>
      get("/api/runs", { query: { ...filter, limit: PAGE, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: previousOf(filter.eval),
    refetchInterval: ({ state }) => (state.data?.pages.some(hasRunning) ? POLL_MS : false),
  });
}

function hasRunning(page: { data: RunOverview[] }): boolean {
  return page.data.some((each) => isUnderWay(each.status));
}
