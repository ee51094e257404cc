import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useParams, useSearch } from "@tanstack/react-router";
import { overviewQuery, runsQuery, versionsQuery } from "@/api/evalQueries";
import { counted } from "@/format/numbers";
import { Section } from "@/layout/Page";
import { Listed, rowsOf } from "@/states/Listed";
import { CompareBar } from "./CompareBar";
import { LastChange } from "./LastChange";
import { NoRuns } from "./NoRuns";
import { RunsTable } from "./RunsTable";
import { selectedOf } from "./search";
import { Trend } from "./Trend";

/** An eval's runs: what the last one changed, all of them, and how the rate went. */
export function RunsPage() {
  const { evalId } = useParams({ from: "/evals/$evalId" });
  const selected = selectedOf(useSearch({ from: "/evals/$evalId/" }));
  const overview = useQuery(overviewQuery(evalId));
  const pages = useInfiniteQuery(runsQuery({ eval: evalId }));
  const versions = useQuery(versionsQuery(evalId)).data?.data ?? [];
  const hasOlder = versions.length > 1;
  const allPages = useInfiniteQuery({ ...runsQuery({ eval: evalId, versions: true }), enabled: hasOlder });
  const runs = rowsOf(pages.data);
  const trend = hasOlder ? allPages : pages;
  const shown = `${pages.hasNextPage ? "the first " : ""}${counted(runs.length, "run")}, running ones first, then the newest`;
  return (
    <>
      <Listed pages={pages} one="run" isFiltered={false} empty={<NoRuns evalId={evalId} />}>
        {() => (
          <>
            {overview.data?.change && <LastChange overview={overview.data} change={overview.data.change} />}
            <Trend runs={rowsOf(trend.data)} isWhole={!trend.hasNextPage} versions={versions} />
            <Section id="runs" title="Runs" aside={shown}>
              <RunsTable runs={runs} selected={selected} />
            </Section>
          </>
        )}
      </Listed>
      <CompareBar runs={runs} selected={selected} />
    </>
  );
}
