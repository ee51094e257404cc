import { useInfiniteQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { evalsQuery } from "@/api/queries";
import { count, counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { Listed, rowsOf } from "@/states/Listed";
import { changeOf } from "./change";
import { EvalFilters } from "./EvalFilters";
import { EvalsTable } from "./EvalsTable";
import { NoEvals } from "./NoEvals";
import { SORTS } from "./search";

/** All evals: how each did last, how it changed, and how it has gone for 20 runs. */
export function EvalsPage() {
  const search = useSearch({ from: "/evals" });
  const filter = {
    search: search.search,
    type: search.type && [search.type],
    status: search.status && [search.status],
    sort: search.sort,
  };
  const pages = useInfiniteQuery(evalsQuery(filter));
  const all = rowsOf(pages.data);
  // The server keeps no change to filter by, so it is looked for among those that are here.
  const evals = search.change === undefined ? all : all.filter((each) => changeOf(each) === search.change);
  const listed = counted(all.length, "eval");
  const found = search.change === undefined ? listed : `${count(evals.length)} of ${listed}`;
  const shown = `${pages.hasNextPage ? "the first " : ""}${found}, ${SORTS[search.sort ?? "last_run"]}`;
  return (
    <Page crumbs={[{ name: "Evals" }]}>
      <PageHead title="Evals" />
      <Listed
        pages={pages}
        one="eval"
        isFiltered={search.search !== undefined || search.type !== undefined || search.status !== undefined}
        filters={<EvalFilters search={search} evals={all} shown={pages.data && shown} />}
        empty={<NoEvals />}
      >
        {() => <EvalsTable evals={evals} />}
      </Listed>
    </Page>
  );
}
