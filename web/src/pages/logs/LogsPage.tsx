import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { callsQuery, logStatusQuery } from "@/api/logQueries";
import { count, counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Failure, Skeleton } from "@/states/States";
import { CallDrawer } from "./CallDrawer";
import { CallsTable } from "./CallsTable";
import { GradeThese } from "./GradeThese";
import { LogFilters } from "./LogFilters";
import { LogFacts, NotStored } from "./LogState";
import { NoCalls } from "./NoCalls";
import { asked, isFiltered, logsFilter } from "./search";

/** The calls that programs made through this server and asked it to keep. */
export function LogsPage() {
  const search = useSearch({ from: "/logs" });
  const queries = useQueryClient();
  const filter = useMemo(() => logsFilter(search), [search]);
  const pages = useInfiniteQuery(callsQuery(asked(filter)));
  const status = useQuery(logStatusQuery);
  const calls = pages.data?.pages.flatMap((page) => page.data) ?? [];
  const isEmpty = pages.data !== undefined && calls.length === 0;
  const isNew = isEmpty && !isFiltered(filter);
  const again = () => {
    queries.invalidateQueries({ queryKey: ["calls"] });
    queries.invalidateQueries({ queryKey: logStatusQuery.queryKey });
  };
  return (
    <Page crumbs={[{ name: "Logs" }]} printed={location.search}>
      <PageHead
        title="Logs"
        facts={status.data && <LogFacts status={status.data} />}
        actions={
          <>
            <CopyLink />
            {calls.length > 0 && <GradeThese filter={filter} />}
            <button type="button" className="button" disabled={pages.isFetching} onClick={again}>
              <Icon name="again" />
              Refresh
            </button>
          </>
        }
      />
      {status.data && <NotStored status={status.data} />}
      {!isNew && <h2 className="hidden-text">Calls</h2>}
      {!isNew && <LogFilters filter={filter} />}
      {pages.error && (
        <Failure error={pages.error} onRetry={pages.refetch} staleSince={pages.data && pages.dataUpdatedAt} />
      )}
      {pages.isPending && <Skeleton lines={12} />}
      {isNew && <NoCalls />}
      {isEmpty && !isNew && (
        <p className="nothing-found" role="status">
          No call is like this. Remove a filter to see more.
        </p>
      )}
      {calls.length > 0 && (
        <div className={pages.isPlaceholderData ? "stale" : undefined}>
          <CallsTable calls={calls} open={search.call} />
          <div className="table-foot">
            {pages.hasNextPage && (
              <button
                type="button"
                className="button"
                disabled={pages.isFetchingNextPage}
                onClick={() => pages.fetchNextPage()}
              >
                Show more
              </button>
            )}
            <span role="status">
              {pages.hasNextPage ? `the newest ${count(calls.length)}` : counted(calls.length, "call")}
            </span>
            <span className="grow" />
            <span className="keys wide-only">
              <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> open <kbd>?</kbd> all keys
            </span>
          </div>
        </div>
      )}
      {search.call !== undefined && <CallDrawer callId={search.call} filter={filter} calls={calls} />}
    </Page>
  );
}
