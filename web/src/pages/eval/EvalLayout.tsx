import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useParams } from "@tanstack/react-router";
import { overviewQuery, versionsQuery } from "@/api/evalQueries";
import { evalQuery } from "@/api/queries";
import type { Eval } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { moment } from "@/format/times";
import { shortId } from "@/format/words";
import { Page, PageHead } from "@/layout/Page";
import { type EvalType, TYPES } from "@/pages/evals/search";
import { CopyButton, CopyLink } from "@/parts/CopyButton";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";

/** What the pages of an eval share: its head and the tabs. */
export function EvalLayout() {
  const { evalId } = useParams({ from: "/evals/$evalId" });
  const shown = useQuery(evalQuery(evalId));
  const overview = useQuery(overviewQuery(evalId));
  const name = shown.data?.name || evalId;
  return (
    <Page crumbs={[{ name: "Evals", to: "/evals" }, { name }]} printed={evalId}>
      {shown.error && shown.data === undefined && <PageHead title={name} />}
      {shown.error && (
        <Failure error={shown.error} onRetry={shown.refetch} staleSince={shown.data && shown.dataUpdatedAt} />
      )}
      {shown.data === undefined ? (
        shown.isPending && <Skeleton />
      ) : (
        <>
          <PageHead title={name} facts={<EvalFacts shown={shown.data} />} actions={<CopyLink />} />
          <EvalTabs evalId={evalId} runs={overview.data?.runs} />
          <Outlet />
        </>
      )}
    </Page>
  );
}

function EvalFacts({ shown }: { shown: Eval }) {
  const type = shown.data_source_config.type;
  return (
    <>
      <span>{TYPES[type as EvalType] ?? type}</span>
      <span>{counted(shown.testing_criteria.length, "criterion", "criteria")}</span>
      <span>created {moment(shown.created_at)}</span>
      <VersionFact evalId={shown.id} />
      <span className="mono">
        {shortId(shown.id)} <CopyButton text={shown.id} label="Copy eval id" />
      </span>
      {Object.entries(shown.metadata ?? {}).map(([key, value]) => (
        <span key={key} className="tag metadata">
          <Name text={key} />: <Name text={String(value)} />
        </span>
      ))}
    </>
  );
}

/** Which version of an eval this is, with links to the ones before and after; nothing for the only one. */
function VersionFact({ evalId }: { evalId: string }) {
  const found = useQuery(versionsQuery(evalId)).data;
  const [shown, older] = found?.data ?? [];
  if (found === undefined || shown === undefined) return null;
  const isFollowed = older !== undefined && older.id === shown.follows;
  return (
    <>
      {shown.follows !== null && (
        <span>
          version {count(shown.version)}, follows{" "}
          {isFollowed ? (
            <Link to="/evals/$evalId" params={{ evalId: older.id }}>
              version {count(older.version)}
            </Link>
          ) : (
            "one that was deleted"
          )}
        </span>
      )}
      {found.followers.map((each) => (
        <span key={each.id}>
          followed by{" "}
          <Link to="/evals/$evalId" params={{ evalId: each.id }}>
            version {count(each.version)}
          </Link>
        </span>
      ))}
    </>
  );
}

/** A line a tab: add a page of an eval here and to the routes. */
function EvalTabs({ evalId, runs }: { evalId: string; runs: number | undefined }) {
  return (
    <nav className="tabs" aria-label="Eval">
      <Link
        to="/evals/$evalId"
        params={{ evalId }}
        activeOptions={{ exact: true, includeSearch: false }}
        activeProps={{ "aria-current": "page" }}
      >
        Runs {runs !== undefined && <span className="second">{count(runs)}</span>}
      </Link>
      <Link to="/evals/$evalId/definition" params={{ evalId }} activeProps={{ "aria-current": "page" }}>
        Definition
      </Link>
    </nav>
  );
}
