import type { RunLifeEvent } from "@/api/types";
import { counted } from "@/format/numbers";
import { clock } from "@/format/times";

export type Said = { what: string; more: string };

/** Say what happened in a few words, and what there is to know of it. */
export function saidOf(event: RunLifeEvent): Said {
  const endpoint = event.endpoint ?? "The endpoint";
  const reason = event.reason ?? "";
  switch (event.type) {
    case "created":
      return { what: "Created", more: "queued until the executor takes it up" };
    case "started":
      return { what: "Started", more: "" };
    case "planned":
      return {
        what: "Planned",
        more: `the rows are checked: ${counted(event.items ?? 0, "item")} to come`,
      };
    case "resumed":
      return {
        what: "Resumed",
        more: event.died
          ? "the process that executed it had died; what was stored stays, the rest is executed"
          : "the server had been stopped; what was stored stays, the rest is executed",
      };
    case "unreachable":
      return { what: `${endpoint} cannot be reached`, more: reason };
    case "reachable":
      return { what: `${endpoint} answers again`, more: "" };
    case "paused":
      return {
        what: `${endpoint} asked for a pause`,
        more: event.until == null ? "" : `until ${clock(event.until)} at least`,
      };
    case "retried":
      return {
        what: "Tried again",
        more: event.items == null ? "some of its errors" : `${counted(event.items, "item")} without a result`,
      };
    case "completed":
      return { what: "Completed", more: "" };
    case "canceled":
      return { what: "Canceled", more: "items that had ended stay" };
    case "failed":
      return { what: "Failed", more: [reason, event.code].filter(Boolean).join(" · ") };
    case "imported":
      return { what: "Imported", more: "it was executed elsewhere" };
  }
}

export function isTrouble(event: RunLifeEvent): boolean {
  return event.type === "unreachable" || event.type === "failed" || (event.died ?? false);
}
