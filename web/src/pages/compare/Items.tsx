import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useRef } from "react";
import { comparedItemsQuery } from "@/api/compareQueries";
import type { ComparedCounts, ComparedItem, Comparison, RunComparison } from "@/api/types";
import { count } from "@/format/numbers";
import { useShortcut } from "@/keyboard/shortcuts";
import { Section } from "@/layout/Page";
import { Failure, Skeleton } from "@/states/States";
import { Detail } from "./Detail";
import { ItemFilters } from "./ItemFilters";
import { ItemsTable } from "./ItemsTable";
import { countsOf } from "./Matrix";
import { ModeLinks } from "./ModeLinks";
import { type CompareSearch, MODES, type Mode } from "./search";

const PAGE = 20;
/** Stands for the last item of a page, when somebody goes back to it. */
const LAST = "last";

type Props = { shown: RunComparison; baseline: NonNullable<Comparison["baseline"]> };

/** The items of the comparison, those that changed first, and both sides of the chosen one. */
export function Items({ shown, baseline }: Props) {
  const search = useSearch({ from: "/compare" });
  const counts = countsOf(shown, search.criterion);
  const mode = search.change ?? firstMode(counts);
  const isOpen = search.pane !== "off";
  const start = search.at ?? 0;
  const criterion = shown.criteria.some((each) => each.name === search.criterion)
    ? search.criterion
    : undefined;
  const page = useQuery(comparedItemsQuery(filterOf({ ...search, criterion }, mode, shown, baseline.run_id)));
  const items = page.data?.data ?? [];
  const place = placeOf(items, search.item);
  const chosen = items[place];
  const next = page.data?.next ?? null;
  const go = useMoves({ items, place, start, next, isStale: page.isPlaceholderData });
  const { split, show } = usePane();
  return (
    <Section id="items" title="Items" aside={<Shown page={page.data} start={start} />}>
      <div className="row wrapping">
        <ModeLinks counts={page.data === undefined ? counts : page.data.counts} mode={mode} />
        <span className="grow" />
        <Sorted />
      </div>
      <ItemFilters shown={shown} mode={mode} />
      {page.error && (
        <Failure error={page.error} onRetry={page.refetch} staleSince={page.data && page.dataUpdatedAt} />
      )}
      {page.isPending && <Skeleton lines={12} label="Loading items" />}
      {page.data !== undefined && items.length === 0 && (
        <p className="none-here">
          {page.data.cut
            ? "Nothing found so far."
            : "No item is like this. Choose another change, or remove a filter."}
        </p>
      )}
      {chosen !== undefined && (
        <div
          ref={split}
          className={`split ${isOpen ? "" : "alone"} ${page.isPlaceholderData ? "stale" : ""}`}
        >
          <ItemsTable items={items} place={place} criterion={criterion} mode={mode} isAlone={!isOpen} />
          {isOpen && (
            <Detail
              key={keyOf(chosen)}
              item={chosen}
              shown={shown}
              baseline={baseline}
              where={
                page.isPlaceholderData || page.data?.total == null
                  ? ""
                  : `${count(start + place + 1)} of ${count(page.data.total)}`
              }
              onMove={go}
              onClose={() => show(false)}
            />
          )}
        </div>
      )}
      {(items.length > 0 || start > 0 || next !== null) && (
        <PageLinks start={start} next={next} isCut={page.data?.cut === true} />
      )}
    </Section>
  );
}

type Page = { total: number | null; data: readonly unknown[] };

function Shown({ page, start }: { page: Page | undefined; start: number }) {
  if (page === undefined || page.data.length === 0) return null;
  const range = `${count(start + 1)} to ${count(start + page.data.length)}`;
  return <span role="status">{page.total === null ? "" : `${range} of ${count(page.total)}`}</span>;
}

function PageLinks({ start, next, isCut }: { start: number; next: string | null; isCut: boolean }) {
  const navigate = useNavigate({ from: "/compare" });
  const open = (at: number) =>
    navigate({
      search: (before) => ({ ...before, at: at || undefined, item: undefined }),
      resetScroll: false,
    });
  return (
    <p className="table-foot">
      <button
        type="button"
        className="button slim"
        disabled={start === 0}
        onClick={() => open(Math.max(0, start - PAGE))}
      >
        Previous {PAGE}
      </button>
      <button
        type="button"
        className="button slim"
        disabled={next === null}
        onClick={() => open(Number(next))}
      >
        {isCut ? "Search on" : `Next ${PAGE}`}
      </button>
      <span className="grow" />
      <span className="keys">
        <kbd>j</kbd>
        <kbd>k</kbd> move <kbd>[</kbd>
        <kbd>]</kbd> previous, next <kbd>o</kbd> open <kbd>Esc</kbd> close <kbd>d</kbd> one text <kbd>s</kbd>{" "}
        swap
      </span>
    </p>
  );
}

/** How the items are sorted, in words. */
function Sorted() {
  const { sort, order } = useSearch({ from: "/compare" });
  const isFalling = order === "desc";
  const words =
    sort === "change"
      ? `change of score, ${isFalling ? "highest" : "lowest"} first`
      : `#${isFalling ? ", last first" : ""}`;
  return <span className="second small">sorted by {words}</span>;
}

/** Opens and closes what stands beside the table; the focus goes to the row that it belongs to. */
function usePane() {
  const split = useRef<HTMLDivElement>(null);
  const navigate = useNavigate({ from: "/compare" });
  const show = (isShown: boolean) => {
    navigate({
      search: (before) => ({ ...before, pane: isShown ? undefined : "off" }),
      replace: true,
      resetScroll: false,
    });
    split.current?.querySelector<HTMLElement>("tr.current a")?.focus();
  };
  useShortcut("o", "open the item", () => show(true));
  return { split, show };
}

type Moves = {
  items: readonly ComparedItem[];
  place: number;
  start: number;
  next: string | null;
  isStale: boolean;
};

/** Return what steps to another item, over the ends of the page too. */
function useMoves({ items, place, start, next, isStale }: Moves): (step: number) => void {
  const navigate = useNavigate({ from: "/compare" });
  const choose = (change: CompareSearch) =>
    navigate({ search: (before) => ({ ...before, ...change }), replace: true, resetScroll: false });
  const go = (step: number) => {
    const other = items[place + step];
    // An item of a list that is about to go may have any place in the next one.
    if (isStale && other !== undefined) return;
    if (other !== undefined) choose({ item: keyOf(other) });
    else if (step > 0 && next !== null) choose({ at: Number(next), item: undefined });
    else if (step < 0 && start > 0) choose({ at: start > PAGE ? start - PAGE : undefined, item: LAST });
  };
  useShortcut("]", "next item", () => go(1));
  useShortcut("[", "previous item", () => go(-1));
  useShortcut("j", "next item", () => go(1));
  useShortcut("k", "previous item", () => go(-1));
  return go;
}

/** Regressions first; where there are none, fixes; where nothing flipped, everything. */
function firstMode(counts: ComparedCounts): Mode {
  return counts.regressed > 0 ? "regressed" : counts.fixed > 0 ? "fixed" : "all";
}

function filterOf(search: CompareSearch, mode: Mode, shown: RunComparison, base: string) {
  const { criterion, group, text, sort, order, least_change, most_change, least_score, most_score, at } =
    search;
  const bounds = { least_change, most_change, least_score, most_score };
  return {
    run: shown.candidate.run_id,
    base,
    change: MODES[mode],
    ...{ criterion, group, text, ...bounds, sort, order, after: at, limit: PAGE },
  };
}

/** Return what names an item in the address: the output item of the new run, or of the base. */
export function keyOf(item: ComparedItem): string {
  return (item.candidate[0] ?? item.baseline[0])?.id ?? "";
}

function placeOf(items: readonly ComparedItem[], key: string | undefined): number {
  if (key === LAST) return items.length - 1;
  const ids = (item: ComparedItem) => [...item.candidate, ...item.baseline].map((each) => each.id);
  return Math.max(
    0,
    items.findIndex((each) => key !== undefined && ids(each).includes(key)),
  );
}
