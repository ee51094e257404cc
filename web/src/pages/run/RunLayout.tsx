import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useParams } from "@tanstack/react-router";
import { useLive } from "@/api/live";
import { evalQuery, POLL_MS, runQuery } from "@/api/queries";
import type { RunById } from "@/api/types";
import { count } from "@/format/numbers";
import { isUnderWay } from "@/format/words";
import { Page, PageHead } from "@/layout/Page";
import { Failure, Skeleton } from "@/states/States";
import { RunActions } from "./RunActions";
import { RunFacts } from "./RunFacts";
import { RunProgress } from "./RunProgress";

/** What the pages of a run share: its head, its progress while it goes on, and the tabs. */
export function RunLayout() {
  const { evalId, runId } = useParams({ from: "/evals/$evalId/runs/$runId" });
  const run = useQuery(runQuery(runId));
  const isLive = run.data !== undefined && isUnderWay(run.data.status);
  const live = useLive(runId, isLive);
  // The same question again, which only asks where the events do not come through.
  useQuery({ ...runQuery(runId), refetchInterval: isLive && !live.isStreaming ? POLL_MS : false });
  const parent = useQuery(evalQuery(evalId));
  const evalName = parent.data?.name || evalId;
  const name = run.data?.name || runId;
  return (
    <Page
      crumbs={[{ name: "Evals", to: "/evals" }, { name: evalName, to: `/evals/${evalId}` }, { name }]}
      printed={runId}
    >
      {run.error && run.data === undefined && <PageHead title={name} />}
      {run.error && (
        <Failure error={run.error} onRetry={run.refetch} staleSince={run.data && run.dataUpdatedAt} />
      )}
      {run.data === undefined ? (
        run.isPending && <Skeleton />
      ) : (
        <>
          <PageHead
            title={name}
            facts={<RunFacts run={run.data} />}
            actions={<RunActions run={run.data} />}
          />
          <RunTabs run={run.data} />
          <RunProgress run={run.data} live={live} />
          <Outlet />
        </>
      )}
    </Page>
  );
}

/** A line a tab: add a page of a run here and to the routes. */
function RunTabs({ run }: { run: RunById }) {
  const params = { evalId: run.eval_id, runId: run.id };
  return (
    <nav className="tabs" aria-label="Run">
      <Link
        to="/evals/$evalId/runs/$runId"
        params={params}
        activeOptions={{ exact: true, includeSearch: false }}
        activeProps={{ "aria-current": "page" }}
      >
        Report
      </Link>
      <Link
        to="/evals/$evalId/runs/$runId/items"
        params={params}
        activeOptions={{ includeSearch: false }}
        activeProps={{ "aria-current": "page" }}
      >
        Items <span className="second">{count(run.result_counts.total)}</span>
      </Link>
      <Link
        to="/evals/$evalId/runs/$runId/configuration"
        params={params}
        activeProps={{ "aria-current": "page" }}
      >
        Configuration
      </Link>
      <Link to="/evals/$evalId/runs/$runId/events" params={params} activeProps={{ "aria-current": "page" }}>
        Events
      </Link>
      {!isUnderWay(run.status) && (
        <Link to="/compare" search={{ runs: run.id }}>
          Compare
        </Link>
      )}
    </nav>
  );
}
