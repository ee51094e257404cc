import type { RunStatus } from "@/api/types";

const STATUSES: Record<RunStatus, string> = {
  queued: "Queued",
  in_progress: "Running",
  completed: "Completed",
  failed: "Failed",
  canceled: "Canceled",
};

export function statusWord(status: string): string {
  return STATUSES[status as RunStatus] ?? status;
}

export function isUnderWay(status: string): boolean {
  return status === "queued" || status === "in_progress";
}

/** Return what the counts of a report are about: several samples of an item are no items of their own. */
export function unitOf(report: { repeats: unknown }): "item" | "sample" {
  return report.repeats === null ? "item" : "sample";
}

/** Return an id with its middle left out: `evalrun_68f3…c41d`. */
export function shortId(id: string): string {
  return id.length <= 18 ? id : `${id.slice(0, id.indexOf("_") + 5)}…${id.slice(-4)}`;
}
