import { useSearch } from "@tanstack/react-router";
import type { Comparison, RunComparison } from "@/api/types";

/** Return the comparison whose sentence and items are shown: the one of the address, else the first. */
export function useShown(comparison: Comparison | undefined): RunComparison | undefined {
  const { run } = useSearch({ from: "/compare" });
  const all = comparison?.comparisons;
  return all?.find((each) => each.candidate.run_id === run) ?? all?.[0];
}
