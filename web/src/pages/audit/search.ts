import type { AuditWanted } from "@/api/accessQueries";
import { choiceOf, type Search, textOf } from "@/format/search";

const OF = ["organization"] as const;

/** Which entries are shown: all of it is in the address. */
export function auditSearch(search: Search): AuditWanted {
  return {
    of: choiceOf(search, "of", OF),
    action: textOf(search, "action"),
    caller: textOf(search, "caller"),
    target: textOf(search, "target"),
  };
}

export function isFiltered({ action, caller, target }: AuditWanted): boolean {
  return action !== undefined || caller !== undefined || target !== undefined;
}
