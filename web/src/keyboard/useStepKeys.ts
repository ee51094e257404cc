import { useEffect, useRef } from "react";
import { useShortcut } from "./shortcuts";

type Step = -1 | 1;

/**
 * Bind `[` and `]` to the neighbours of what is shown. A key that is pressed before they are known is heard when they
 * are, unless something else is shown by then.
 */
export function useStepKeys(shown: string, noun: string, areKnown: boolean, go: (step: Step) => void): void {
  const awaited = useRef<{ shown: string; step: Step }>(null);
  const press = (step: Step) => {
    if (areKnown) go(step);
    else awaited.current = { shown, step };
  };
  useShortcut("[", `previous ${noun}`, () => press(-1));
  useShortcut("]", `next ${noun}`, () => press(1));
  useEffect(() => {
    const early = awaited.current;
    if (early === null || (!areKnown && early.shown === shown)) return;
    awaited.current = null;
    if (early.shown === shown) go(early.step);
  });
}
