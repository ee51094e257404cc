import { useRef, useState } from "react";

/** A popover that opens below its button, within the window, with its first field focused. */
export function useFilterPanel() {
  const opener = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [isOpen, setOpen] = useState(false);
  const place = () => {
    const shown = panel.current;
    const at = opener.current?.getBoundingClientRect();
    setOpen(shown?.matches(":popover-open") ?? false);
    if (!shown?.matches(":popover-open") || at === undefined) return;
    shown.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - shown.offsetHeight - 8))}px`;
    shown.style.left = `${Math.max(8, Math.min(at.left, innerWidth - shown.offsetWidth - 8))}px`;
    shown.querySelector<HTMLElement>("select, input")?.focus();
  };
  return { opener, panel, isOpen, place };
}
