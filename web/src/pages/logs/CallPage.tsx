import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { callQuery, callsQuery } from "@/api/logQueries";
import { shortId } from "@/format/words";
import { useShortcut } from "@/keyboard/shortcuts";
import { Page, PageHead } from "@/layout/Page";
import { CopyButton, CopyLink } from "@/parts/CopyButton";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { CallView } from "./CallView";
import { asked, logsFilter } from "./search";
import { CallSteps, neighboursOf } from "./steps";

/** One call on a page of its own; it keeps the filter that it was found by. */
export function CallPage() {
  const { callId } = useParams({ from: "/logs/$callId" });
  const search = useSearch({ from: "/logs/$callId" });
  const navigate = useNavigate();
  const filter = useMemo(() => logsFilter(search), [search]);
  const call = useQuery(callQuery(callId));
  const pages = useInfiniteQuery(callsQuery(asked(filter)));
  const calls = pages.data?.pages.flatMap((page) => page.data) ?? [];
  const show = (id: string) =>
    navigate({ to: "/logs/$callId", params: { callId: id }, search: filter, replace: true });
  useShortcut("Escape", "back to the calls", () =>
    navigate({ to: "/logs", search: { ...filter, call: undefined } }),
  );
  return (
    <Page crumbs={[{ name: "Logs", to: "/logs" }, { name: shortId(callId) }]} printed={callId}>
      <PageHead
        title="Call"
        facts={
          <span className="mono">
            <Name text={callId} /> <CopyButton text={callId} label="Copy call id" />
          </span>
        }
        actions={
          <>
            <CopyLink />
            <CallSteps neighbours={neighboursOf(calls, callId)} onStep={show} />
          </>
        }
      />
      {call.error && <Failure error={call.error} onRetry={call.refetch} />}
      {call.isPending && <Skeleton />}
      {call.data && (
        <div className="item-page">
          <CallView key={call.data.id} call={call.data} />
        </div>
      )}
    </Page>
  );
}
