import { Link } from "@tanstack/react-router";
import { extensionOf } from "@/api/extension";
import type { RunById } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { duration, moment } from "@/format/times";
import { isUnderWay, shortId, statusWord } from "@/format/words";
import { CopyButton } from "@/parts/CopyButton";
import { Outcome, OutcomeCount } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";

/** What there is to know of a run before its figures. A run with errors never looks like one without. */
export function RunFacts({ run }: { run: RunById }) {
  const {
    items_planned: planned,
    started_at: started,
    ended_at: ended,
    times_retried: retried,
  } = extensionOf(run);
  const { total, errored } = run.result_counts;
  const isWhole = planned === null || planned === undefined || planned === total;
  return (
    <>
      <RunStatus status={run.status} />
      {errored > 0 && <OutcomeCount kind="error">{counted(errored, "error")}</OutcomeCount>}
      {run.model !== "" && (
        <span className="mono">
          <Name text={run.model} />
        </span>
      )}
      <span>{isWhole ? counted(total, "item") : `${count(total)} of ${count(planned)} items`}</span>
      <span>
        {moment(run.created_at)}
        {started && ended ? `, took ${duration(Math.max(ended - started, 1))}` : ""}
      </span>
      {retried ? <span>tried again {retried === 1 ? "once" : `${count(retried)} times`}</span> : null}
      <Origin run={run} />
      <span className="mono">
        {shortId(run.id)} <CopyButton text={run.id} label="Copy run id" />
      </span>
    </>
  );
}

function RunStatus({ status }: { status: string }) {
  if (isUnderWay(status)) {
    return (
      <span>
        <span className="pulse" aria-hidden="true">
          ●
        </span>{" "}
        {statusWord(status)}
      </span>
    );
  }
  if (status === "failed") return <Outcome kind="error">{statusWord(status)}</Outcome>;
  return <span>{statusWord(status)}</span>;
}

/** Where the samples of a run come from, if not from this run. */
function Origin({ run }: { run: RunById }) {
  const { regraded, imported } = extensionOf(run) as ReturnType<typeof extensionOf> & {
    imported?: { origin?: string } | null;
  };
  if (regraded) {
    const by = regraded.criteria === "eval" ? "the eval's criteria" : "criteria of its own";
    return (
      <span>
        samples of{" "}
        <Link to="/evals/$evalId/runs/$runId" params={{ evalId: run.eval_id, runId: regraded.run_id }}>
          {shortId(regraded.run_id)}
        </Link>
        , graded by {by}
      </span>
    );
  }
  if (!imported) return null;
  return (
    <span>
      imported{imported.origin && " from "}
      <Name text={imported.origin ?? ""} />
    </span>
  );
}
