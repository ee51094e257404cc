import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { isUnderWay } from "@/format/words";
import { ApiError, get } from "./client";

/** Every question to the server: what is asked, under which key it is kept, and when it is asked again. */

const POLL_MS = 2_000;
const FOUND = 8;

export function evalsQuery(search: { after?: string | undefined }) {
  return queryOptions({
    queryKey: ["evals", search],
    queryFn: ({ signal }) =>
      get("/v1/evals", { query: { limit: 100, order: "desc", after: search.after }, signal }),
    placeholderData: keepPreviousData,
  });
}

export function evalQuery(evalId: string) {
  return queryOptions({
    queryKey: ["eval", evalId],
    queryFn: ({ signal }) => get("/v1/evals/{eval_id}", { path: { eval_id: evalId }, signal }),
    staleTime: 60_000,
  });
}

/** A run without its rows; asked again while it goes on. */
export function runQuery(runId: string) {
  return queryOptions({
    queryKey: ["run", runId],
    queryFn: ({ signal }) =>
      get("/api/runs/{run_id}", { path: { run_id: runId }, query: { rows: false }, signal }),
    refetchInterval: ({ state }) => (state.data && isUnderWay(state.data.status) ? POLL_MS : false),
  });
}

export function reportQuery(runId: string, by: readonly string[], isLive: boolean) {
  return queryOptions({
    queryKey: ["report", runId, by],
    queryFn: ({ signal }) =>
      get("/api/runs/{run_id}/report", { path: { run_id: runId }, query: { by: [...by] }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: isLive ? POLL_MS : false,
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
        if (error instanceof ApiError && NOTHING_TO_COMPARE.has(error.code ?? "")) return null;
        throw error;
      }
    },
    staleTime: 60_000,
  });
}

const NOTHING_TO_COMPARE = new Set(["no_baseline", "comparison_not_ready"]);

export type Found = { id: string; name: string; kind: string; to: string };

/** What the palette finds for a text: evals by a part of their name, and whatever an id belongs to. */
export function searchQuery(text: string) {
  return queryOptions({
    queryKey: ["search", text],
    queryFn: async ({ signal }): Promise<Found[]> => {
      if (/^evalrun_\w+$/.test(text)) {
        const run = await get("/api/runs/{run_id}", {
          path: { run_id: text },
          query: { rows: false },
          signal,
        });
        return [{ id: run.id, name: run.name, kind: "run", to: `/evals/${run.eval_id}/runs/${run.id}` }];
      }
      const page = await get("/v1/evals", { query: { limit: 100, order: "desc" }, signal });
      const wanted = text.toLowerCase();
      return page.data
        .filter((each) => each.name?.toLowerCase().includes(wanted) || each.id === text)
        .slice(0, FOUND)
        .map((each) => ({ id: each.id, name: each.name ?? each.id, kind: "eval", to: `/evals/${each.id}` }));
    },
    placeholderData: keepPreviousData,
    retry: false,
  });
}
