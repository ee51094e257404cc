import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { addressOf } from "./client";
import { runQuery } from "./queries";
import type { RunById, RunProgress } from "./types";

const PATIENCE_MS = 5_000;
const ERRORS = 3;
/** As many paces as are drawn: a minute at two events a second. */
const PACES = 120;

export type Live = {
  /** How the run stands; undefined until the stream has said so. */
  progress: RunProgress | undefined;
  /** Items a second as the stream told them, the newest last. */
  paces: readonly number[];
  /** Whether the stream works. Where it does not, the page has to ask by itself. */
  isStreaming: boolean;
};

const NOTHING: Live = { progress: undefined, paces: [], isStreaming: false };

/** Watch a run while it goes on: what the server tells is put where the page's other questions keep the run. */
export function useLive(runId: string, isLive: boolean): Live {
  const queries = useQueryClient();
  const [live, setLive] = useState<Live>(NOTHING);
  const wasLive = useRef(isLive);
  useEffect(() => {
    // Whatever told of the end, every figure is another one now.
    if (wasLive.current && !isLive) void queries.invalidateQueries();
    wasLive.current = isLive;
  }, [isLive, queries]);
  useEffect(() => {
    if (!isLive) {
      setLive(NOTHING);
      return;
    }
    const source = new EventSource(addressOf("/api/events", { query: { runs: [runId] } }));
    let errors = 0;
    const giveUp = () => setLive((before) => ({ ...before, isStreaming: false }));
    let timer = setTimeout(giveUp, PATIENCE_MS);
    const hear = (event: MessageEvent<string>) => {
      const progress = JSON.parse(event.data) as RunProgress;
      errors = 0;
      clearTimeout(timer);
      // The server pings every 15 seconds, which scripts are not told; a queued run has nothing else to say.
      timer = setTimeout(giveUp, 4 * PATIENCE_MS);
      setLive(({ paces }) => ({
        progress,
        paces: [...paces, progress.items_per_s ?? 0].slice(-PACES),
        isStreaming: true,
      }));
      queries.setQueryData(runQuery(runId).queryKey, (run) => run && standing(run, progress));
      if (event.type === "end") {
        source.close();
        clearTimeout(timer);
        void queries.invalidateQueries({ queryKey: runQuery(runId).queryKey });
      }
    };
    for (const kind of ["progress", "status", "end"]) source.addEventListener(kind, hear);
    source.addEventListener("error", () => {
      errors += 1;
      if (errors >= ERRORS || source.readyState === EventSource.CLOSED) giveUp();
    });
    return () => {
      source.close();
      clearTimeout(timer);
    };
  }, [runId, isLive, queries]);
  return live;
}

function standing(run: RunById, progress: RunProgress): RunById {
  const { items, passed, failed, errored, items_planned, limiter } = progress;
  return {
    ...run,
    // Its end is fetched, with everything that comes with it.
    status: progress.status === "in_progress" ? "in_progress" : run.status,
    result_counts: { ...run.result_counts, total: items, passed, failed, errored },
    evalhaven: { ...run.evalhaven, items_planned, limiter },
  };
}
