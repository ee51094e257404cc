import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { callsQuery, logStatusQuery } from "@/api/logQueries";
import { count, counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Listed, rowsOf } from "@/states/Listed";
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
  const query = callsQuery(asked(filter));
  const pages = useInfiniteQuery(query);
  const status = useQuery(logStatusQuery);
  const calls = rowsOf(pages.data);
  const again = () => {
    // From the newest, which may lie above the pages that are kept.
    queries.resetQueries({ queryKey: query.queryKey });
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
      <Listed
        pages={pages}
        one="call"
        isFiltered={isFiltered(filter)}
        filters={
          <>
            <h2 className="hidden-text">Calls</h2>
            <LogFilters filter={filter} />
          </>
        }
        empty={<NoCalls />}
      >
        {() => (
          <>
            {pages.hasPreviousPage && (
              <p className="table-foot">
                <button
                  type="button"
                  className="button"
                  disabled={pages.isFetchingPreviousPage}
                  onClick={() => pages.fetchPreviousPage()}
                >
                  Show newer ones
                </button>
              </p>
            )}
            <CallsTable calls={calls} open={search.call} />
            <div className="table-foot">
              <span role="status">
                {pages.hasPreviousPage || pages.hasNextPage
                  ? `${pages.hasPreviousPage ? "" : "the newest "}${count(calls.length)}`
                  : counted(calls.length, "call")}
              </span>
              <span className="grow" />
              <span className="keys wide-only">
                <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> open <kbd>?</kbd> all keys
              </span>
            </div>
          </>
        )}
      </Listed>
      {search.call !== undefined && <CallDrawer callId={search.call} filter={filter} calls={calls} />}
    </Page>
  );
}
