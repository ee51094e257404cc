import type { LoggedCallRow } from "@/api/types";
import { useStepKeys } from "@/keyboard/useStepKeys";

type Neighbours = {
  /** The call between them. */
  of: string;
  /** Whether the list is there that they are looked for in. */
  areKnown: boolean;
  previous: string | undefined;
  next: string | undefined;
};

/** Return the calls above and below one in the list, as far as it was fetched. */
export function neighboursOf(calls: readonly LoggedCallRow[], callId: string): Neighbours {
  const found = { of: callId, areKnown: calls.length > 0 };
  const at = calls.findIndex((call) => call.id === callId);
  if (at === -1) return { ...found, previous: undefined, next: undefined };
  return { ...found, previous: calls[at - 1]?.id, next: calls[at + 1]?.id };
}

/** `[` and `]`, as keys and as buttons. */
export function CallSteps({ neighbours, onStep }: { neighbours: Neighbours; onStep: (id: string) => void }) {
  const { previous, next } = neighbours;
  useStepKeys(neighbours.of, "call", neighbours.areKnown, (step) => {
    const to = step < 0 ? previous : next;
    if (to !== undefined) onStep(to);
  });
  return (
    <>
      <button
        type="button"
        className="button slim square"
        aria-label="Previous call, key ["
        disabled={previous === undefined}
        onClick={() => previous && onStep(previous)}
      >
        [
      </button>
      <button
        type="button"
        className="button slim square"
        aria-label="Next call, key ]"
        disabled={next === undefined}
        onClick={() => next && onStep(next)}
      >
        ]
      </button>
    </>
  );
}
