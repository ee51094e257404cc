import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { extensionOf } from "@/api/extension";
import { itemQuery, listedQuery, placeQuery, rowQuery } from "@/api/itemQueries";
import { evalQuery, runQuery } from "@/api/queries";
import type { ItemPlace, RunById } from "@/api/types";
import type { ItemsFilter } from "@/pages/items/search";
import { isObject } from "./contents";
import type { Criterion } from "./grades";

export type ItemParams = { evalId: string; runId: string; itemId: string };

/** An item with its place in the filter, its run, and the criteria that it was graded by. */
export function useItem(
  { evalId, runId, itemId }: ItemParams,
  filter: ItemsFilter,
  fields: readonly string[] = [],
) {
  const ranked = useMemo(() => ({ ...filter, text: undefined }), [filter]);
  const item = useQuery(itemQuery(evalId, runId, itemId));
  const place = useQuery({ ...placeQuery(runId, itemId, ranked), retry: false });
  const run = useQuery(runQuery(runId));
  const parent = useQuery(evalQuery(evalId));
  const rank = place.data?.rank;
  const row = useQuery({
    ...rowQuery(runId, typeof rank === "number" ? ranked : {}, rank ?? 0),
    enabled: place.data !== undefined,
  });
  const shown = row.data?.data[0];
  return {
    item,
    place: useFoundPlace(place.data, runId, filter, fields),
    run,
    parent,
    criteria: criteriaOf(run.data, parent.data?.testing_criteria ?? []),
    /** Field with the right answer: the one that a criterion names, or else one whose value the row shows as such. */
    expectedField:
      row.data === undefined
        ? null
        : (row.data.expected_field ??
          fieldLike(item.data?.datasource_item, shown?.id === itemId ? shown.expected : null)),
  };
}

/** Words are searched page by page, so an item's neighbours are those in the list that was found so far. */
function useFoundPlace(
  place: ItemPlace | undefined,
  runId: string,
  filter: ItemsFilter,
  fields: readonly string[],
): ItemPlace | undefined {
  const found = useInfiniteQuery({ ...listedQuery(runId, filter, fields), enabled: false });
  if (place === undefined || filter.text === undefined) return place;
  const ids = found.data?.pages.flatMap((page) => page.data.map((row) => row.id)) ?? [];
  const at = ids.indexOf(place.id);
  if (at === -1) return { ...place, rank: null, total: null, previous: null, next: null };
  return { ...place, rank: at, total: null, previous: ids[at - 1] ?? null, next: ids[at + 1] ?? null };
}

/** A regraded run has criteria of its own. */
export function criteriaOf(run: RunById | undefined, ofEval: readonly unknown[]): Criterion[] {
  const regraded: unknown = run && extensionOf(run).regraded;
  const own =
    isObject(regraded) && Array.isArray(regraded.testing_criteria) ? regraded.testing_criteria : null;
  return (own ?? ofEval).filter(isObject) as Criterion[];
}

function fieldLike(
  item: Record<string, unknown> | undefined,
  preview: string | null | undefined,
): string | null {
  if (item === undefined || !preview) return null;
  const beginning = preview.replace(/…$/, "");
  const likely = ["expected", "expected_output", "answer", "reference", "ideal", "target", "label"];
  const names = [...likely.filter((name) => name in item), ...Object.keys(item)];
  return names.find((name) => String(item[name]).startsWith(beginning)) ?? null;
}
