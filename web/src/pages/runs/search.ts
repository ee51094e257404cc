import { choiceOf, type Search, textOf } from "@/format/search";

export const STATUSES = {
  in_progress: "running",
  queued: "queued",
  completed: "completed",
  failed: "failed to run",
  canceled: "canceled",
} as const;

export type RunStatusFilter = keyof typeof STATUSES;

export type RunsSearch = {
  search?: string | undefined;
  status?: RunStatusFilter | undefined;
  model?: string | undefined;
  /** Id of the eval that they belong to. */
  eval?: string | undefined;
};

export function runsSearch(search: Search): RunsSearch {
  return {
    search: textOf(search, "search"),
    status: choiceOf(search, "status", Object.keys(STATUSES) as RunStatusFilter[]),
    model: textOf(search, "model"),
    eval: textOf(search, "eval"),
  };
}
