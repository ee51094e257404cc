import { queryOptions } from "@tanstack/react-query";
import { get } from "./client";
import type { RunOverview } from "./types";

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
