import { useLayoutEffect, useRef, useSyncExternalStore } from "react";

/** Keys as people press them one after the other: "/", "g e", "Escape", "Ctrl+K". */
export type Shortcut = { keys: string; label: string; run: () => void };

const PAUSE_MS = 2000;
const STORED = "evalhaven.keys";

/** Hears the keyboard for the whole page, and knows what every key does at the moment, for the help. */
class Shortcuts {
  private bound: readonly Shortcut[] = [];
  private readonly listeners = new Set<() => void>();
  private begun = "";
  private begunAt = 0;

  add(shortcut: Shortcut): () => void {
    this.change([...this.bound, shortcut]);
    return () => this.change(this.bound.filter((each) => each !== shortcut));
  }

  readonly all = (): readonly Shortcut[] => this.bound;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Run what a key is bound to. What was bound last wins: a drawer's Escape before the page's. */
  readonly hear = (event: KeyboardEvent): void => {
    const key = nameOf(event);
    const isSingle = !key.startsWith("Ctrl+");
    if (event.defaultPrevented || event.isComposing) return;
    if (isSingle && (isTyping(event.target) || !areSingleKeysOn() || isBehindDialog(event.target))) return;
    // What lies above the page is closed by the browser itself.
    if (key === "Escape" && document.querySelector("dialog:modal, :popover-open") !== null) return;
    const isSequel = this.begun !== "" && event.timeStamp - this.begunAt < PAUSE_MS;
    const pressed = isSequel ? `${this.begun} ${key}` : key;
    const found = this.bound.findLast((each) => each.keys === pressed);
    const isBeginning = this.bound.some((each) => each.keys.startsWith(`${key} `));
    this.begun = found === undefined && isBeginning ? key : "";
    this.begunAt = event.timeStamp;
    if (found === undefined) return;
    event.preventDefault();
    found.run();
  };

  private change(bound: readonly Shortcut[]): void {
    this.bound = bound;
    for (const listener of this.listeners) listener();
  }
}

/** The one keyboard of the page. */
export const shortcuts = new Shortcuts();

/** Bind keys while a component is shown, from its first sight on. The label stands in the help (`?`). */
export function useShortcut(keys: string, label: string, run: () => void): void {
  const latest = useRef(run);
  latest.current = run;
  useLayoutEffect(() => shortcuts.add({ keys, label, run: () => latest.current() }), [keys, label]);
}

export function useShortcuts(): readonly Shortcut[] {
  return useSyncExternalStore(shortcuts.subscribe, shortcuts.all);
}

/** Whether keys without Ctrl do anything: people who dictate need them off. */
export function areSingleKeysOn(): boolean {
  return localStorage.getItem(STORED) !== "off";
}

export function setSingleKeys(isOn: boolean): void {
  if (isOn) localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, "off");
}

function nameOf(event: KeyboardEvent): string {
  const isCommand = event.ctrlKey || event.metaKey;
  if (event.altKey) return "Alt";
  return isCommand ? `Ctrl+${event.key.toUpperCase()}` : event.key;
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null
  );
}

function isBehindDialog(target: EventTarget | null): boolean {
  const open = document.querySelector("dialog:modal");
  return open !== null && !(target instanceof Node && open.contains(target));
}
