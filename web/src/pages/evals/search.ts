import { choiceOf, type Search, textOf } from "@/format/search";
import { CHANGES, type EvalChange } from "./change";

export const TYPES = { custom: "Rows", logs: "Logs", stored_completions: "Stored completions" } as const;
export const STATUSES = {
  in_progress: "running",
  failed: "failed to run",
  none: "no runs",
} as const;
export const SORTS = {
  last_run: "newest run first",
  created: "newest first",
  updated: "last changed first",
} as const;

export type EvalType = keyof typeof TYPES;
export type EvalStatus = keyof typeof STATUSES;
export type EvalSort = keyof typeof SORTS;

export type EvalsSearch = {
  search?: string | undefined;
  type?: EvalType | undefined;
  /** Status of the last run. */
  status?: EvalStatus | undefined;
  sort?: EvalSort | undefined;
  change?: EvalChange | undefined;
};

export function evalsSearch(search: Search): EvalsSearch {
  return {
    search: textOf(search, "search"),
    type: choiceOf(search, "type", Object.keys(TYPES) as EvalType[]),
    status: choiceOf(search, "status", Object.keys(STATUSES) as EvalStatus[]),
    sort: choiceOf(search, "sort", Object.keys(SORTS) as EvalSort[]),
    change: choiceOf(search, "change", CHANGES),
  };
}
