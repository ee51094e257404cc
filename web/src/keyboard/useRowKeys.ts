import { useRef } from "react";
import { useShortcut } from "./shortcuts";

/**
 * Let `j` and `k` move the focus between the rows of a table, so that Enter opens what is focused.
 *
 * Returns a ref for the table. In each row the link with `data-row` is the one that is focused.
 */
export function useRowKeys<E extends HTMLElement>() {
  const table = useRef<E>(null);
  const move = (step: number) => {
    const links = [...(table.current?.querySelectorAll<HTMLElement>("[data-row]") ?? [])];
    const row = document.activeElement?.closest("tr");
    const at = links.findIndex((link) => row !== null && row === link.closest("tr"));
    const next = at === -1 ? (step > 0 ? 0 : links.length - 1) : at + step;
    links[Math.max(0, Math.min(links.length - 1, next))]?.focus();
  };
  useShortcut("j", "next row", () => move(1));
  useShortcut("k", "previous row", () => move(-1));
  useShortcut("o", "open the row", () => (document.activeElement as HTMLElement | null)?.click());
  return table;
}
