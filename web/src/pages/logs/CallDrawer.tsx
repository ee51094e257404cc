import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { callQuery } from "@/api/logQueries";
import type { LoggedCallRow } from "@/api/types";
import { shortId } from "@/format/words";
import { useShortcut } from "@/keyboard/shortcuts";
import { CopyButton, CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { useDrawer } from "@/parts/useDrawer";
import { Failure, Skeleton } from "@/states/States";
import { CallView } from "./CallView";
import type { LogsFilter } from "./search";
import { CallSteps, neighboursOf } from "./steps";

type Props = { callId: string; filter: LogsFilter; calls: readonly LoggedCallRow[] };

/** A call beside the list that it came from, which stays usable. */
export function CallDrawer({ callId, filter, calls }: Props) {
  const navigate = useNavigate({ from: "/logs" });
  const call = useQuery(callQuery(callId));
  const { drawer, body } = useDrawer(callId);
  const show = (id: string | undefined) =>
    navigate({ search: (before) => ({ ...before, call: id }), replace: true, resetScroll: false });
  useShortcut("Escape", "close the call", () => show(undefined));
  return (
    <aside ref={drawer} className="drawer item-drawer" aria-labelledby="call-title" tabIndex={-1}>
      <div className="drawer-head">
        <h2 id="call-title">Call</h2>
        <span className="second small mono cut">{shortId(callId)}</span>
        <CopyButton text={callId} label="Copy call id" />
        <span className="grow" />
        <CopyLink />
        <Link className="button plain slim" to="/logs/$callId" params={{ callId }} search={filter}>
          Full page
        </Link>
        <CallSteps neighbours={neighboursOf(calls, callId)} onStep={show} />
        <button
          type="button"
          className="button plain slim square"
          aria-label="Close, key Escape"
          onClick={() => show(undefined)}
        >
          <Icon name="close" />
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it */}
      <div ref={body} className="drawer-body" tabIndex={0} role="region" aria-label="Call">
        {call.error && <Failure error={call.error} onRetry={call.refetch} />}
        {call.isPending && <Skeleton />}
        {call.data && <CallView key={call.data.id} call={call.data} />}
      </div>
      <div className="drawer-foot">
        <span>
          <kbd>[</kbd> <kbd>]</kbd> previous, next
        </span>
        <span>
          <kbd>r</kbd> raw JSON
        </span>
        <span className="grow" />
        <span>
          <kbd>Esc</kbd> close
        </span>
      </div>
    </aside>
  );
}
