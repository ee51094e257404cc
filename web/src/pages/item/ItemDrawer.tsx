import { Link, useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import type { ItemPlace } from "@/api/types";
import { count } from "@/format/numbers";
import { useShortcut } from "@/keyboard/shortcuts";
import { useStepKeys } from "@/keyboard/useStepKeys";
import { filterWords } from "@/pages/items/filterChips";
import { ITEMS } from "@/pages/items/ItemFilters";
import type { ItemsFilter } from "@/pages/items/search";
import { CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { useDrawer } from "@/parts/useDrawer";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { ItemView } from "./ItemView";
import { type ItemParams, useItem } from "./useItem";

type Props = { params: ItemParams; filter: ItemsFilter; fields: readonly string[]; row: number | undefined };

/** An item beside the table that it came from, which stays usable. */
export function ItemDrawer({ params, filter, fields, row }: Props) {
  const navigate = useNavigate({ from: ITEMS });
  const { item, place, run, criteria, expectedField } = useItem(params, filter, fields);
  const { drawer, body } = useDrawer(params.itemId);

  const rank = place?.rank ?? undefined;
  // A link to an item alone leads to its row, too.
  useEffect(() => {
    if (row === undefined && rank !== undefined)
      navigate({ search: (before) => ({ ...before, row: rank }), replace: true, resetScroll: false });
  }, [row, rank, navigate]);

  const close = () =>
    navigate({ search: (before) => ({ ...before, item: undefined }), replace: true, resetScroll: false });
  const step = (to: string | null | undefined, by: number) => {
    if (!to) return;
    const next = rank === undefined ? undefined : rank + by;
    navigate({ search: (before) => ({ ...before, item: to, row: next }), replace: true, resetScroll: false });
  };
  useShortcut("Escape", "close the item", close);
  useItemKeys(params.itemId, place, step);
  return (
    <aside ref={drawer} className="drawer item-drawer" aria-labelledby="item-title" tabIndex={-1}>
      <div className="drawer-head">
        <h2 id="item-title">{itemTitle(place, item.data)}</h2>
        <span className="second small cut">
          <PlaceWords place={place} filter={filter} />
        </span>
        <span className="grow" />
        <CopyLink />
        <Link
          className="button plain slim"
          to="/evals/$evalId/runs/$runId/items/$itemId"
          params={params}
          search={filter}
        >
          Full page
        </Link>
        <StepButtons place={place} onStep={step} />
        <button
          type="button"
          className="button plain slim square"
          aria-label="Close, key Escape"
          onClick={close}
        >
          <Icon name="close" />
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it */}
      <div ref={body} className="drawer-body" tabIndex={0} role="region" aria-label="Item">
        {item.error && <Failure error={item.error} onRetry={item.refetch} />}
        {item.isPending && <Skeleton />}
        {item.data && (
          <ItemView
            key={item.data.id}
            item={item.data}
            place={place}
            run={run.data}
            criteria={criteria}
            expectedField={expectedField}
          />
        )}
      </div>
      <div className="drawer-foot">
        <span>
          <kbd>[</kbd> <kbd>]</kbd> previous, next
        </span>
        <span>
          <kbd>d</kbd> words or plain
        </span>
        <span>
          <kbd>r</kbd> raw JSON
        </span>
        <span className="grow" />
        <span>
          <kbd>Esc</kbd> close
        </span>
      </div>
    </aside>
  );
}

type Step = (to: string | null | undefined, by: number) => void;

/** `[` and `]` lead through the filter. */
export function useItemKeys(itemId: string, place: ItemPlace | undefined, step: Step): void {
  useStepKeys(itemId, "item", place !== undefined, (by) => step(by < 0 ? place?.previous : place?.next, by));
}

export function StepButtons({ place, onStep }: { place: ItemPlace | undefined; onStep: Step }) {
  return (
    <>
      <button
        type="button"
        className="button slim square"
        aria-label="Previous item, key ["
        disabled={!place?.previous}
        onClick={() => onStep(place?.previous, -1)}
      >
        [
      </button>
      <button
        type="button"
        className="button slim square"
        aria-label="Next item, key ]"
        disabled={!place?.next}
        onClick={() => onStep(place?.next, 1)}
      >
        ]
      </button>
    </>
  );
}

/** Return how an item is called: by its position in the source, and by its sample if there are several. */
export function itemTitle(
  place: ItemPlace | undefined,
  item: { datasource_item_id: number } | undefined,
): string {
  const position = place?.datasource_item_id ?? item?.datasource_item_id;
  if (position === undefined) return "Item";
  return `Item ${position}${place && place.repeat > 0 ? `, sample ${place.repeat + 1}` : ""}`;
}

/** Where the item stands in the filter: "95 of 577, final answer failed". */
export function PlaceWords({ place, filter }: { place: ItemPlace | undefined; filter: ItemsFilter }) {
  if (place === undefined) return null;
  if (place.rank === null)
    return place.total === null ? null : (
      <>
        not in this filter: <Name text={filterWords(filter)} />
      </>
    );
  if (place.total === null) return <>match {count(place.rank + 1)}</>;
  const said = filterWords({ ...filter, text: undefined });
  return (
    <>
      {count(place.rank + 1)} of {count(place.total)}
      {said !== "" && (
        <>
          , <Name text={said} />
        </>
      )}
    </>
  );
}
