import {
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import type { ItemRow } from "@/api/types";
import { useShortcut } from "@/keyboard/shortcuts";
import type { Rows, Span } from "./rows";
import {
  type Canvas,
  canvasHeight,
  isCapped,
  lastTop,
  ROW_HEIGHT,
  scrolledOf,
  topOf,
  topToShow,
} from "./scrolling";

export type Column = {
  key: string;
  /** Width as a track of a CSS grid. */
  width: string;
  head: ReactNode;
  sorted?: "ascending" | "descending" | undefined;
  isRight?: boolean;
  cell: (row: ItemRow) => ReactNode;
};

type Props = {
  rows: Rows;
  columns: readonly Column[];
  label: string;
  /** Place of the row that the keyboard is at. */
  chosen: number;
  onChoose: (place: number) => void;
  onOpen: (row: ItemRow, place: number) => void;
  onSeen: (span: Span) => void;
};

const HEAD_HEIGHT = 52;
const OVERSCAN = 6;
const FIRST_VIEW = 600;

/** A table of any number of rows, of which only those in sight exist; it is one stop for the keyboard. */
export function ItemGrid({ rows, columns, label, chosen, onChoose, onOpen, onSeen }: Props) {
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState(FIRST_VIEW);
  const [place, setPlace] = useState({ top: 0, scrolled: 0 });
  const canvas: Canvas = { rows: rows.count, view };
  const top = Math.min(place.top, lastTop(canvas));
  const first = Math.max(0, Math.floor(top) - OVERSCAN);
  const last = Math.min(rows.count - 1, Math.ceil(top + view / ROW_HEIGHT) + OVERSCAN);

  useEffect(() => onSeen({ first, last }), [first, last, onSeen]);
  useLayoutEffect(() => {
    const area = scroller.current;
    if (area === null) return;
    const measure = () => setView(Math.max(ROW_HEIGHT, area.clientHeight - HEAD_HEIGHT));
    const observer = new ResizeObserver(measure);
    observer.observe(area);
    measure();
    return () => observer.disconnect();
  }, []);

  const goTo = (wanted: number) => {
    const area = scroller.current;
    if (area === null) return;
    area.scrollTop = scrolledOf(wanted, canvas);
    setPlace({ top: wanted, scrolled: area.scrollTop });
  };
  const hearScroll = () => {
    const scrolled = scroller.current?.scrollTop ?? 0;
    // Setting the scroll bar is heard too; its pixels are coarser than the rows.
    setPlace((before) =>
      Math.abs(before.scrolled - scrolled) < 1 ? before : { top: topOf(scrolled, canvas), scrolled },
    );
  };
  useWheel(scroller, (pixels) => {
    if (!isCapped(canvas)) return false;
    const wanted = Math.min(lastTop(canvas), Math.max(0, top + pixels / ROW_HEIGHT));
    if (wanted !== top) goTo(wanted);
    return wanted !== top;
  });

  const choose = (wanted: number) => onChoose(Math.min(rows.count - 1, Math.max(0, wanted)));
  const chosenRow = rows.rowAt(chosen);
  // A row that is opened before it has come opens when it comes, unless another is chosen meanwhile.
  const [awaited, setAwaited] = useState<number>();
  const open = () => {
    if (chosenRow === undefined) setAwaited(chosen);
    else onOpen(chosenRow, chosen);
  };
  useEffect(() => {
    if (awaited === undefined) return;
    if (awaited === chosen && chosenRow === undefined) return;
    setAwaited(undefined);
    if (awaited === chosen && chosenRow !== undefined) onOpen(chosenRow, chosen);
  }, [awaited, chosen, chosenRow, onOpen]);
  const shownTop = topToShow(chosen, top, canvas);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only another row moves the table, not its scroll bar
  useEffect(() => {
    if (shownTop !== top) goTo(shownTop);
  }, [chosen, view]);
  useShortcut("j", "next row", () => choose(chosen + 1));
  useShortcut("k", "previous row", () => choose(chosen - 1));
  useShortcut("o", "open the row", open);

  const page = Math.max(1, Math.floor(view / ROW_HEIGHT) - 1);
  const steer = (event: KeyboardEvent) => {
    if (event.target !== scroller.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const to: Record<string, number> = {
      ArrowDown: chosen + 1,
      ArrowUp: chosen - 1,
      PageDown: chosen + page,
      PageUp: chosen - page,
      Home: 0,
      End: rows.count - 1,
    };
    const wanted = to[event.key];
    if (wanted === undefined && event.key !== "Enter") return;
    event.preventDefault();
    if (wanted === undefined) open();
    else choose(wanted);
  };

  const tracks = { gridTemplateColumns: columns.map((column) => column.width).join(" ") };
  const isChosenSeen = chosen >= first && chosen <= last;
  const shown = Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);
  return (
    <div
      ref={scroller}
      className="item-grid"
      role="grid"
      aria-label={label}
      aria-rowcount={rows.count + 1}
      aria-colcount={columns.length}
      aria-activedescendant={isChosenSeen && rows.count > 0 ? `${id}-${chosen}` : undefined}
      tabIndex={0}
      onScroll={hearScroll}
      onKeyDown={steer}
      style={{ height: `min(max(300px, 100vh - 290px), ${HEAD_HEIGHT + canvasHeight(canvas) + 14}px)` }}
    >
      <div role="rowgroup" className="item-grid-head">
        <div role="row" aria-rowindex={1} style={tracks}>
          {columns.map((column) => (
            <div
              key={column.key}
              role="columnheader"
              aria-sort={column.sorted}
              className={column.isRight ? "right" : undefined}
            >
              {column.head}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" className="item-grid-rows" style={{ height: canvasHeight(canvas) }}>
        {shown.map((at) => {
          const row = rows.rowAt(at);
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the grid hears the keys
            <div
              key={at}
              id={`${id}-${at}`}
              role="row"
              aria-rowindex={at + 2}
              aria-selected={at === chosen}
              style={{ ...tracks, transform: `translateY(${place.scrolled + (at - top) * ROW_HEIGHT}px)` }}
              onClick={(event) => {
                if (row === undefined || event.ctrlKey || event.metaKey || event.shiftKey) return;
                event.preventDefault();
                scroller.current?.focus({ preventScroll: true });
                onChoose(at);
                onOpen(row, at);
              }}
            >
              {row === undefined ? (
                <div role="gridcell" className="waiting">
                  <span />
                </div>
              ) : (
                columns.map((column) => (
                  <div key={column.key} role="gridcell" className={column.isRight ? "right" : undefined}>
                    {column.cell(row)}
                  </div>
                ))
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Hear the wheel before the browser scrolls; `move` tells whether it has moved the rows itself. */
function useWheel(area: { current: HTMLElement | null }, move: (pixels: number) => boolean): void {
  const latest = useRef(move);
  latest.current = move;
  useEffect(() => {
    const hear = (event: WheelEvent) => {
      if (event.ctrlKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) return;
      const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * ROW_HEIGHT : event.deltaY;
      if (latest.current(pixels)) event.preventDefault();
    };
    const heard = area.current;
    heard?.addEventListener("wheel", hear, { passive: false });
    return () => heard?.removeEventListener("wheel", hear);
  }, [area]);
}
