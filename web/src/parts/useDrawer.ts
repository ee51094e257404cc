import { useEffect, useRef } from "react";

/** What a drawer owes to the keyboard: it takes the focus, gives it back when it closes, and begins each `id` at its top. */
export function useDrawer(id: string) {
  const drawer = useRef<HTMLElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const came = useRef(document.activeElement);
  useEffect(() => {
    drawer.current?.focus({ preventScroll: true });
    const from = came.current;
    return () => {
      if (from instanceof HTMLElement && from.isConnected) from.focus({ preventScroll: true });
    };
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another one begins at its beginning
  useEffect(() => {
    if (body.current !== null) body.current.scrollTop = 0;
  }, [id]);
  return { drawer, body };
}
