import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { isPreparing } from "@/api/client";
import { compareQuery } from "@/api/compareQueries";
import { evalQuery } from "@/api/queries";
import type { Comparison } from "@/api/types";
import { Page } from "@/layout/Page";
import { Failure, Preparing, Skeleton } from "@/states/States";
import { visibleText } from "@/text/visible";
import { Compared } from "./Compared";
import { CompareHead } from "./CompareHead";
import { NothingToCompare } from "./NothingToCompare";
import { baseOf, idsOf } from "./search";

/** Two to five runs side by side: what the difference comes to, and the items that it is made of. */
export function ComparePage() {
  const search = useSearch({ from: "/compare" });
  const base = baseOf(search);
  const candidates = idsOf(search).filter((each) => each !== base);
  const comparison = useQuery(compareQuery(candidates, base, search.margin));
  const isPrepared = !isPreparing(comparison.failureReason);
  const data = isPrepared ? comparison.data : undefined;
  useChosenBase(data, candidates);
  const evalId = data?.baseline?.eval_id ?? data?.comparisons[0]?.candidate.eval_id;
  const parent = useQuery({ ...evalQuery(evalId ?? ""), enabled: evalId !== undefined });
  const title = titleOf(data);
  const crumbs = [
    { name: "Evals", to: "/evals" },
    ...(evalId === undefined ? [] : [{ name: parent.data?.name || evalId, to: `/evals/${evalId}` }]),
    { name: "Compare" },
  ];
  return (
    <Page crumbs={crumbs} printed={printedFilters(search)}>
      <h1 className="hidden-text">{title}</h1>
      <CompareHead comparison={data} candidates={candidates} base={base} evalId={evalId} />
      {comparison.error && (
        <Failure
          error={comparison.error}
          onRetry={comparison.refetch}
          staleSince={data && comparison.dataUpdatedAt}
        />
      )}
      {!isPrepared && <Preparing />}
      {isPrepared && comparison.isLoading && <Skeleton lines={12} label="Comparing" />}
      {candidates.length === 0 && <NothingToCompare />}
      {data?.baseline === null && candidates.length > 0 && <NothingToCompare run={candidates[0]} />}
      {data?.baseline && data.comparisons.length > 0 && candidates.length > 0 && (
        <Compared comparison={data} baseline={data.baseline} />
      )}
    </Page>
  );
}

/** Write the baseline that the server chose into the address, so that the link shows the same later. */
function useChosenBase(data: Comparison | undefined, candidates: readonly string[]): void {
  const navigate = useNavigate({ from: "/compare" });
  const chosen = data !== undefined && data.chosen !== "named" ? data.baseline?.run_id : undefined;
  const isCurrent = data?.comparisons[0]?.candidate.run_id === candidates[0];
  const runs = candidates.join(",");
  useEffect(() => {
    if (chosen === undefined || !isCurrent) return;
    navigate({
      search: (before) => ({ ...before, runs: `${chosen},${runs}`, base: chosen }),
      replace: true,
    });
  }, [chosen, isCurrent, runs, navigate]);
}

function titleOf(data: Comparison | undefined): string {
  const first = data?.comparisons[0];
  if (!data?.baseline || first === undefined) return "Compare runs";
  const base = visibleText(data.baseline.name || data.baseline.run_id);
  if (data.comparisons.length > 1) return `Compare ${data.comparisons.length} runs with ${base}`;
  return `Compare ${visibleText(first.candidate.name || first.candidate.run_id)} with ${base}`;
}

function printedFilters(search: Record<string, unknown>): string {
  return Object.entries(search)
    .filter(([name, value]) => value !== undefined && !["runs", "base", "view", "at"].includes(name))
    .map(([name, value]) => `${name.replace("_", " ")}: ${visibleText(String(value))}`)
    .join(", ");
}
