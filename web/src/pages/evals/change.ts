import type { EvalOverview } from "@/api/types";
import { toneOf } from "@/parts/Delta";

export const CHANGES = ["worse", "better"] as const;
export type EvalChange = (typeof CHANGES)[number];

/** Return which way an eval's last run changed; null where that cannot be told, or is not final. */
export function changeOf({ last_run: last, change }: EvalOverview): EvalChange | null {
  if (last === null || last.partial || change === null) return null;
  const tone = toneOf(change.difference);
  return tone === "even" ? null : tone;
}
