import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { runsQuery } from "@/api/evalQueries";
import { counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { Empty, Failure, Skeleton } from "@/states/States";
import { AllRunsTable } from "./AllRunsTable";
import { RunFilters } from "./RunFilters";

/** All runs over all evals, those under way first. */
export function AllRunsPage() {
  const search = useSearch({ from: "/runs" });
  const pages = useInfiniteQuery(runsQuery({ ...search, status: search.status && [search.status] }));
  const runs = pages.data?.pages.flatMap((page) => page.data) ?? [];
  const isFiltered = Object.values(search).some((each) => each !== undefined);
  const isNew = pages.data !== undefined && runs.length === 0 && !isFiltered;
  const shown = `${pages.hasNextPage ? "the first " : ""}${counted(runs.length, "run")}, running ones first, then the newest`;
  return (
    <Page crumbs={[{ name: "Runs" }]}>
      <PageHead title="Runs" />
      {!isNew && <RunFilters search={search} runs={runs} shown={pages.data && shown} />}
      {pages.error && (
        <Failure error={pages.error} onRetry={pages.refetch} staleSince={pages.data && pages.dataUpdatedAt} />
      )}
      {pages.isPending && <Skeleton />}
      {isNew && (
        <Empty title="No runs yet">
          <p>
            A run applies an eval to items. Open one of <Link to="/evals">your evals</Link>: its page has the
            code that starts a run.
          </p>
        </Empty>
      )}
      {pages.data !== undefined && runs.length === 0 && isFiltered && (
        <p className="second">No run is like this. Remove a filter to see more.</p>
      )}
      {runs.length > 0 && <AllRunsTable runs={runs} />}
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
