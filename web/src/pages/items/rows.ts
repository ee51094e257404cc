import { useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type Columns, listedQuery, WINDOW, windowQuery } from "@/api/itemQueries";
import { previousOf } from "@/api/previous";
import type { ItemRow } from "@/api/types";
import type { ItemsFilter } from "./search";

/** Rows by their place, whatever part of them was fetched. */
export type Rows = { count: number; rowAt: (place: number) => ItemRow | undefined; error: unknown };

export type Span = { first: number; last: number };

const SETTLED_MS = 70;

/** Rows of which any part can be asked for; only the windows that are seen are fetched. */
export function useRankedRows(
  runId: string,
  filter: ItemsFilter,
  fields: Columns,
  total: number,
  seen: Span,
): Rows {
  const span = useSettled(seen);
  const first = Math.floor(span.first / WINDOW);
  const last = Math.floor(Math.min(span.last, Math.max(0, total - 1)) / WINDOW);
  const places = Array.from({ length: Math.max(1, last - first + 1) }, (_, at) => first + at);
  const windows = useQueries({
    queries: places.map((place) => windowQuery(runId, filter, fields, place)),
  });
  return {
    count: total,
    rowAt: (rank) => {
      const found = windows[Math.floor(rank / WINDOW) - first];
      return found?.isPlaceholderData ? undefined : found?.data?.data[rank % WINDOW];
    },
    error: windows.find((each) => each.error)?.error,
  };
}

/** Rows that can only be listed one page after the other; the next page is asked for when the last rows are seen. */
export function useListedRows(runId: string, filter: ItemsFilter, fields: Columns, seen: Span) {
  const pages = useInfiniteQuery({
    ...listedQuery(runId, filter, fields),
    placeholderData: previousOf(runId),
  });
  const rows = pages.data?.pages.flatMap((page) => page.data) ?? [];
  const { hasNextPage, isFetching, isError, fetchNextPage } = pages;
  const isEndSeen = seen.last >= rows.length - 1;
  useEffect(() => {
    if (isEndSeen && hasNextPage && !isFetching && !isError) fetchNextPage();
  }, [isEndSeen, hasNextPage, isFetching, isError, fetchNextPage]);
  return {
    count: rows.length,
    rowAt: (place: number) => rows[place],
    error: pages.error,
    isMore: hasNextPage,
    isSearching: isFetching,
  };
}

/** While somebody drags the scroll bar through a million rows, only where it comes to rest is of interest. */
function useSettled(seen: Span): Span {
  const [settled, setSettled] = useState(seen);
  const isNear = Math.abs(seen.first - settled.first) <= WINDOW;
  const { first, last } = seen;
  useEffect(() => {
    if (isNear) {
      setSettled((before) => (before.first === first && before.last === last ? before : { first, last }));
      return;
    }
    const timer = setTimeout(() => setSettled({ first, last }), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [first, last, isNear]);
  return settled;
}
