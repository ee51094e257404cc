import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { addressOf, post } from "@/api/client";
import { comparisonQuery } from "@/api/queries";
import type { RunById } from "@/api/types";
import { isUnderWay } from "@/format/words";
import { CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { PermittedButton } from "@/parts/PermittedButton";
import { Failure } from "@/states/States";

/** What can be done with a run. */
export function RunActions({ run }: { run: RunById }) {
  const queries = useQueryClient();
  const refresh = () => queries.invalidateQueries();
  const path = { eval_id: run.eval_id, run_id: run.id };
  const cancel = useMutation({
    mutationFn: () => post("/v1/evals/{eval_id}/runs/{run_id}", { path }),
    onSuccess: refresh,
  });
  const retry = useMutation({
    mutationFn: () => post("/api/runs/{run_id}/retry", { path: { run_id: run.id }, body: {} }),
    onSuccess: refresh,
  });
  const pin = useMutation({
    mutationFn: () => post("/api/runs/{run_id}/pin", { path: { run_id: run.id } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: comparisonQuery(run.id).queryKey.slice(0, 1) }),
  });
  const failed = cancel.error ?? retry.error ?? pin.error;
  const hasErrors = run.result_counts.errored > 0;
  return (
    <>
      {failed && <Failure error={failed} />}
      <CopyLink />
      {isUnderWay(run.status) ? (
        <PermittedButton
          needs="write"
          className="button"
          disabled={cancel.isPending}
          onClick={() => cancel.mutate()}
        >
          Cancel run
        </PermittedButton>
      ) : (
        <>
          {hasErrors && (
            <PermittedButton
              needs="write"
              className="button"
              disabled={retry.isPending}
              onClick={() => retry.mutate()}
            >
              <Icon name="again" />
              Retry {run.result_counts.errored}
            </PermittedButton>
          )}
          <Menu label="More actions" icon="more" isBare>
            <PermittedButton needs="write" onClick={() => pin.mutate()}>
              <Icon name="pin" />
              Compare later runs with this one
            </PermittedButton>
            <Link
              to="/evals/$evalId/runs/$runId/configuration"
              params={{ evalId: run.eval_id, runId: run.id }}
              hash="again"
            >
              <Icon name="again" />
              Run it again, as code
            </Link>
            <a
              href={addressOf("/api/runs/{run_id}/report.html", { path: { run_id: run.id } })}
              download={`report-${run.id}.html`}
            >
              <Icon name="download" />
              Report in one file
              <span className="key">HTML</span>
            </a>
            <button type="button" onClick={() => window.print()}>
              <Icon name="download" />
              Print, or save as PDF
            </button>
          </Menu>
        </>
      )}
    </>
  );
}
