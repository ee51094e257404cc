/** What limits the calls of a run, as `evalhaven.limiter` has it; its keys are open. */
export type Flow = {
  endpoint?: string;
  model?: string;
  /** The criterion that a judge grades by. */
  criterion?: string;
  concurrency?: number;
  max_concurrency?: number;
  in_flight?: number;
  waiting?: number;
  paused_until?: number | null;
  episodes?: number;
  unreachable?: { reason: string; since: number } | null;
};

/** Return the calls of the evaluated model, then those of judges and of embeddings. */
export function flowsOf(limiter: unknown): Flow[] {
  if (limiter === null || typeof limiter !== "object") return [];
  const { judges, embeddings, ...own } = limiter as Flow & { judges?: unknown; embeddings?: unknown };
  const others = [...(Array.isArray(judges) ? judges : []), embeddings].filter(
    (each): each is Flow => typeof each === "object" && each !== null,
  );
  return [own, ...others];
}

/** Say in a word what limits a run, and in a sentence how. */
export function whatLimits(limiter: unknown): { word: string; sentence: string } | null {
  const [flow] = flowsOf(limiter);
  if (flow?.concurrency === undefined) return null;
  const calls = `${flow.in_flight ?? 0} of ${flow.concurrency} calls allowed at once`;
  if (flow.unreachable) return { word: "Out of reach", sentence: flow.unreachable.reason };
  if (flow.paused_until) return { word: "The endpoint", sentence: `it asked for a pause; ${calls}` };
  if ((flow.episodes ?? 0) > 0) return { word: "The endpoint", sentence: `it answers 429; ${calls}` };
  const isFull = (flow.in_flight ?? 0) >= flow.concurrency;
  if (isFull && flow.concurrency >= (flow.max_concurrency ?? Number.POSITIVE_INFINITY)) {
    return { word: "The limit set", sentence: `${calls}, which is the most configured` };
  }
  return { word: isFull ? "The model" : "Nothing", sentence: isFull ? `${calls}; more are tried` : calls };
}
