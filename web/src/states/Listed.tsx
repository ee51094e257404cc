import type { InfiniteData, UseInfiniteQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Failure, Skeleton } from "./States";

type Props<Row> = {
  pages: UseInfiniteQueryResult<InfiniteData<{ data: Row[] }>>;
  /** One of them, as in "No eval is like this". */
  one: string;
  isFiltered: boolean;
  /** What narrows the list down; it is not there where nothing is to be narrowed. */
  filters?: ReactNode;
  /** What stands in place of a list that has nothing yet. */
  empty: ReactNode;
  children: (rows: readonly Row[]) => ReactNode;
};

/** A list that comes page by page, in each of its states: loading, failed, nothing yet, nothing found, and there. */
export function Listed<Row>({ pages, one, isFiltered, filters, empty, children }: Props<Row>) {
  const rows = rowsOf(pages.data);
  const isEmpty = pages.data !== undefined && rows.length === 0;
  const isNew = isEmpty && !isFiltered;
  return (
    <>
      {!isNew && filters}
      {pages.error && (
        <Failure error={pages.error} onRetry={pages.refetch} staleSince={pages.data && pages.dataUpdatedAt} />
      )}
      {pages.isPending && <Skeleton />}
      {isNew && empty}
      {isEmpty && isFiltered && (
        <p className="nothing-found" role="status">
          No {one} is like this. Remove a filter to see more.
        </p>
      )}
      {rows.length > 0 && (
        <div className={pages.isPlaceholderData ? "stale" : undefined}>{children(rows)}</div>
      )}
      {pages.hasNextPage && (
        <p className="table-foot">
          <button
            type="button"
            className="button"
            disabled={pages.isFetchingNextPage}
            onClick={() => pages.fetchNextPage()}
          >
            Show more
          </button>
        </p>
      )}
    </>
  );
}

/** Return the rows of all pages that are there. */
export function rowsOf<Row>(data: InfiniteData<{ data: Row[] }> | undefined): Row[] {
  return data?.pages.flatMap((page) => page.data) ?? [];
}
