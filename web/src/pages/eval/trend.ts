import type { EvalVersion, RunOverview } from "@/api/types";

/** What is marked below the axis: the word on the lane, and the aspect of a run's setup that changed. */
const LANES = [
  { name: "Prompt", aspect: "prompt" },
  { name: "Criteria", aspect: "criteria" },
  { name: "Judge", aspect: "judge" },
] as const;

/** Return runs in the order in which they were made, those without any figure and without failure left out. */
export function inOrder(runs: readonly RunOverview[]): RunOverview[] {
  return runs
    .filter((run) => run.rate.value !== null || run.status === "failed")
    .sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
}

/** Return the lanes on which there is something to mark. */
export function lanesOf(runs: readonly RunOverview[]) {
  return LANES.filter((lane) => runs.some((run) => run.changed.includes(lane.aspect)));
}

/** Return what changed at a run, as lanes name it. */
export function marksOf(run: RunOverview): string[] {
  return LANES.filter((lane) => run.changed.includes(lane.aspect)).map((lane) => lane.name);
}

export type VersionStart = { place: number; evalId: string; version: number };

/** Return at which runs a version of the eval begins, or comes again; nothing as long as there is but one. */
export function versionStarts(runs: readonly RunOverview[]): VersionStart[] {
  return runs.flatMap((run, place) =>
    place > 0 && runs[place - 1]?.eval_id !== run.eval_id
      ? [{ place, evalId: run.eval_id, version: run.eval_version }]
      : [],
  );
}

/** Return in words what a version changed. */
export function changesOf(version: EvalVersion): string {
  if (version.changes === null) return "the version before it was deleted, so nobody knows what it changed";
  return version.changes.join("; ") || "neither the criteria nor the items";
}

/** Return limits that hold every interval, at least 10 points apart so that noise stays flat. */
export function limitsOf(runs: readonly RunOverview[]): [number, number] {
  const bounds = runs.flatMap(({ rate }) =>
    rate.value === null ? [] : [rate.low ?? rate.value, rate.high ?? rate.value],
  );
  if (bounds.length === 0) return [0, 1];
  const [low, high] = [Math.min(...bounds), Math.max(...bounds)];
  const lack = Math.max(0, LEAST_SPAN - (high - low)) / 2;
  return [Math.max(0, low - lack), Math.min(1, high + lack)];
}

const LEAST_SPAN = 0.1;
