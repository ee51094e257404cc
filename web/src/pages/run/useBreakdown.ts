import { useEffect, useState } from "react";
import { openLines } from "@/api/client";
import type { BreakdownGroup, BreakdownLine } from "@/api/types";

export type StreamedBreakdown = {
  read: number;
  total: number;
  groups: readonly BreakdownGroup[];
  values: number;
  state: "reading" | "canceled" | "whole";
  error: unknown;
};

const LIMIT = 200;
const BEGUN: StreamedBreakdown = { read: 0, total: 0, groups: [], values: 0, state: "reading", error: null };

/** Break a run down by a field that is not prepared: the server reads every item, says how far it is, and stops when left. */
export function useBreakdown(runId: string, field: string) {
  const [shown, setShown] = useState(BEGUN);
  const [round, setRound] = useState(0);
  const [stop, setStop] = useState(() => () => {});
  // biome-ignore lint/correctness/useExhaustiveDependencies: another round asks the same again
  useEffect(() => {
    const left = new AbortController();
    setShown(BEGUN);
    setStop(() => () => left.abort("canceled"));
    left.signal.addEventListener("abort", () => {
      if (left.signal.reason === "canceled") setShown((before) => ({ ...before, state: "canceled" }));
    });
    const groups: BreakdownGroup[] = [];
    openLines(
      "/api/runs/{run_id}/breakdown",
      { path: { run_id: runId }, query: { field, limit: LIMIT }, signal: left.signal },
      (each) => {
        const line = each as BreakdownLine;
        if ("error" in line) throw new Error("The run was deleted meanwhile.");
        if (line.object === "run.breakdown.group") groups.push(line);
        else if (line.object === "run.breakdown")
          setShown((before) => ({ ...before, groups, values: line.values, state: "whole" }));
        else setShown((before) => ({ ...before, read: line.items, total: line.total }));
      },
    ).then(
      () =>
        setShown((before) =>
          before.state === "reading"
            ? { ...before, error: new Error("The breakdown was cut short. Ask again.") }
            : before,
        ),
      (error: unknown) => left.signal.aborted || setShown((before) => ({ ...before, error })),
    );
    return () => left.abort("left");
  }, [runId, field, round]);
  return { ...shown, cancel: stop, again: () => setRound((before) => before + 1) };
}
