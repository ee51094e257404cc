import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { runsQuery } from "@/api/evalQueries";
import { counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { FirstSteps } from "@/pages/evals/NoEvals";
import { Listed, rowsOf } from "@/states/Listed";
import { Empty } from "@/states/States";
import { AllRunsTable } from "./AllRunsTable";
import { RunFilters } from "./RunFilters";

/** All runs over all evals, those under way first. */
export function AllRunsPage() {
  const search = useSearch({ from: "/runs" });
  const pages = useInfiniteQuery(runsQuery({ ...search, status: search.status && [search.status] }));
  const runs = rowsOf(pages.data);
  const shown = `${pages.hasNextPage ? "the first " : ""}${counted(runs.length, "run")}, running ones first, then the newest`;
  return (
    <Page crumbs={[{ name: "Runs" }]}>
      <PageHead title="Runs" />
      <Listed
        pages={pages}
        one="run"
        isFiltered={Object.values(search).some((each) => each !== undefined)}
        filters={<RunFilters search={search} runs={runs} shown={pages.data && shown} />}
        empty={
          <Empty title="No runs yet" snippet={<FirstSteps />}>
            <p>
              A run applies an eval to items. The page of each of <Link to="/evals">your evals</Link> has the
              code that starts one; the code beside makes an eval and its first run.
            </p>
          </Empty>
        }
      >
        {(rows) => <AllRunsTable runs={rows} />}
      </Listed>
    </Page>
  );
}
