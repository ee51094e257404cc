import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";
import { POLL_MS } from "./queries";
import type { RunLifeEvent, RunOverview } from "./types";

/** Questions of the tabs of a run beside its report and its items. */

/** What the list of runs says of one of them, above all what differs from the run before; null where it has none. */
export function runOverviewQuery(evalId: string, runId: string) {
  return queryOptions({
    queryKey: ["run-overview", runId],
    queryFn: async ({ signal }): Promise<RunOverview | null> => {
      const found = await get("/api/runs", { query: { eval: evalId, search: runId, limit: 20 }, signal });
      return found.data.find((each) => each.id === runId) ?? null;
    },
  });
}

/** What happened to a run, in order; asked again while it goes on. */
export function runEventsQuery(runId: string, isLive: boolean) {
  return queryOptions({
    queryKey: ["run-events", runId],
    queryFn: async ({ signal }): Promise<RunLifeEvent[]> =>
      (await get("/api/runs/{run_id}/events", { path: { run_id: runId }, signal })).data,
    refetchInterval: isLive ? POLL_MS : false,
  });
}
