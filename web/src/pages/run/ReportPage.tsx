import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { isPreparing } from "@/api/client";
import { comparisonQuery, evalQuery, reportQuery, runQuery } from "@/api/queries";
import type { Report } from "@/api/types";
import { isUnderWay } from "@/format/words";
import { criteriaOf } from "@/pages/configuration/setup";
import { Failure, Preparing, Skeleton } from "@/states/States";
import { Breakdown } from "./Breakdown";
import { CriteriaTable } from "./CriteriaTable";
import { ErrorGroups } from "./ErrorGroups";
import { Figures } from "./Figures";
import { Gaps } from "./Gaps";
import { Latency } from "./Latency";
import { Repeats } from "./Repeats";
import { Scores } from "./Scores";
import { Usage } from "./Usage";
import { Verdict } from "./Verdict";

/** What a run comes to: the sentence against its baseline, the figures, the criteria, and what lies behind them. */
export function ReportPage() {
  const { evalId, runId } = useParams({ from: "/evals/$evalId/runs/$runId" });
  const { by } = useSearch({ from: "/evals/$evalId/runs/$runId/" });
  const run = useQuery(runQuery(runId));
  const parent = useQuery(evalQuery(evalId));
  const criteria = run.data && criteriaOf(run.data, parent.data);
  const isLive = run.data !== undefined && isUnderWay(run.data.status);
  const report = useQuery(reportQuery(runId, isLive));
  useFirstBreakdown(report.data, by);
  const comparison = useQuery({ ...comparisonQuery(runId), enabled: !isLive });
  const against = comparison.data?.comparisons[0];
  const baselineId = comparison.data?.baseline?.run_id;
  const baseline = useQuery({
    ...reportQuery(baselineId ?? "", false),
    enabled: baselineId !== undefined,
  });

  if (report.data === undefined) {
    return report.error ? <Failure error={report.error} onRetry={report.refetch} /> : <Skeleton />;
  }
  const shown = report.data;
  const isPartial = isLive || (shown.items_planned !== null && shown.items < shown.items_planned);
  return (
    <>
      {report.error && (
        <Failure error={report.error} onRetry={report.refetch} staleSince={report.dataUpdatedAt} />
      )}
      {isPreparing(comparison.failureReason) && <Preparing />}
      {comparison.error && <Failure error={comparison.error} onRetry={comparison.refetch} />}
      {comparison.data?.baseline && against && (
        <Verdict baseline={comparison.data.baseline} comparison={against} margin={comparison.data.margin} />
      )}
      {!isLive && <Figures report={shown} against={against} baseline={baseline.data} isPartial={isPartial} />}
      <CriteriaTable report={shown} against={against} isPartial={isPartial} />
      <div className="columns three">
        <div className="stack">
          <Breakdown report={shown} by={by} isLive={isLive} />
          <Repeats report={shown} />
        </div>
        <div className="stack">
          <ErrorGroups report={shown} />
          <Scores report={shown} criteria={criteria ?? []} />
        </div>
        <div className="stack">
          <Latency report={shown} />
          <Usage report={shown} />
        </div>
      </div>
      <Gaps report={shown} />
    </>
  );
}

const FEW_VALUES = 12;

/** Break the report down by the first field with few values, so that a reader sees one unasked. */
function useFirstBreakdown(report: Report | undefined, by: string | undefined): void {
  const navigate = useNavigate({ from: "/evals/$evalId/runs/$runId/" });
  const first = report?.fields.find(
    (field) => field.values !== null && field.values > 1 && field.values <= FEW_VALUES,
  );
  const name = first?.name;
  useEffect(() => {
    if (by === undefined && name !== undefined) navigate({ search: { by: name }, replace: true });
  }, [by, name, navigate]);
}
