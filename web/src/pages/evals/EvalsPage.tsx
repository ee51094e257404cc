import { useInfiniteQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { evalsQuery } from "@/api/queries";
import { counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { Failure, Skeleton } from "@/states/States";
import { EvalFilters } from "./EvalFilters";
import { EvalsTable } from "./EvalsTable";
import { NoEvals } from "./NoEvals";
import { SORTS } from "./search";

/** All evals: how each did last, how it changed, and how it has gone for 20 runs. */
export function EvalsPage() {
  const search = useSearch({ from: "/evals" });
  const filter = {
    search: search.search,
    type: search.type && [search.type],
    status: search.status && [search.status],
    sort: search.sort,
  };
  const pages = useInfiniteQuery(evalsQuery(filter));
  const evals = pages.data?.pages.flatMap((page) => page.data) ?? [];
  const isFiltered = search.search !== undefined || search.type !== undefined || search.status !== undefined;
  const shown = `${pages.hasNextPage ? "the first " : ""}${counted(evals.length, "eval")}, ${SORTS[search.sort ?? "last_run"]}`;
  const isNew = pages.data !== undefined && evals.length === 0 && !isFiltered;
  return (
    <Page crumbs={[{ name: "Evals" }]}>
      <PageHead title="Evals" />
      {!isNew && <EvalFilters search={search} shown={pages.data && shown} />}
      {pages.error && (
        <Failure error={pages.error} onRetry={pages.refetch} staleSince={pages.data && pages.dataUpdatedAt} />
      )}
      {pages.isPending && <Skeleton />}
      {isNew && <NoEvals />}
      {pages.data !== undefined && evals.length === 0 && isFiltered && (
        <p className="second">No eval is like this. Remove a filter to see more.</p>
      )}
      {evals.length > 0 && <EvalsTable evals={evals} />}
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
    </Page>
  );
}
