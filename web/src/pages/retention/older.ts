import type { LogStatus } from "@/api/types";

const DAY_MS = 86_400_000;

export type Older = { days: number; calls: number };

/** What of the project is older than so many days at a moment, in UTC; null where the store does not answer. */
export function olderThan(days: number, { stored }: LogStatus, now: number): Older | null {
  if (stored === null) return null;
  const today = now - (now % DAY_MS);
  const older = stored.days.filter((each) => each.calls > 0 && Date.parse(each.day) < today - days * DAY_MS);
  return { days: older.length, calls: older.reduce((sum, each) => sum + each.calls, 0) };
}
