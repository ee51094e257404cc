import type { LoggedCallRow } from "@/api/types";
import { useShortcut } from "@/keyboard/shortcuts";

type Neighbours = { previous: string | undefined; next: string | undefined };

/** Return the calls above and below one in the list, as far as it was fetched. */
export function neighboursOf(calls: readonly LoggedCallRow[], callId: string): Neighbours {
  const at = calls.findIndex((call) => call.id === callId);
  if (at === -1) return { previous: undefined, next: undefined };
  return { previous: calls[at - 1]?.id, next: calls[at + 1]?.id };
}

/** `[` and `]`, as keys and as buttons. */
export function CallSteps({ neighbours, onStep }: { neighbours: Neighbours; onStep: (id: string) => void }) {
  const { previous, next } = neighbours;
  useShortcut("[", "previous call", () => previous && onStep(previous));
  useShortcut("]", "next call", () => next && onStep(next));
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
