import { Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useLayoutEffect, useRef } from "react";
import { Patterns } from "@/charts/Progress";
import { Help } from "@/keyboard/Help";
import { shortcuts } from "@/keyboard/shortcuts";
import { Entrance } from "./Entrance";
import { Rail } from "./Rail";

/** What stands round every page. */
export function Shell() {
  useLayoutEffect(() => {
    document.addEventListener("keydown", shortcuts.hear);
    return () => document.removeEventListener("keydown", shortcuts.hear);
  }, []);
  useFocusOnNewPage();
  return (
    <>
      <a className="skip-link" href="#main" onClick={focusMain}>
        Skip to content
      </a>
      <Patterns />
      <Entrance>
        <div className="app">
          <Rail />
          <Outlet />
        </div>
        <Help />
      </Entrance>
    </>
  );
}

/** After a step to another page the keyboard goes on at its beginning, as after a load, unless it is further already. */
function useFocusOnNewPage(): void {
  const path = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  const wanted = useRouterState({ select: (state) => state.location.pathname });
  const left = useRef<Element>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what has the focus when a step begins
  useLayoutEffect(() => {
    left.current = document.activeElement;
  }, [wanted]);
  const last = useRef(path);
  useEffect(() => {
    const isMoved = document.activeElement !== document.body && document.activeElement !== left.current;
    if (last.current !== undefined && last.current !== path && !isMoved)
      document.getElementById("main")?.focus({ preventScroll: true });
    last.current = path;
  }, [path]);
}

function focusMain(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}
