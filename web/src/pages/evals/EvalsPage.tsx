import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { evalsQuery } from "@/api/queries";
import { ago } from "@/format/times";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Page, PageHead, Scroll } from "@/layout/Page";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { NoEvals } from "./NoEvals";

/** All evals. */
export function EvalsPage() {
  const evals = useQuery(evalsQuery({}));
  const table = useRowKeys<HTMLTableElement>();
  return (
    <Page crumbs={[{ name: "Evals" }]}>
      <PageHead title="Evals" />
      {evals.error && <Failure error={evals.error} onRetry={evals.refetch} />}
      {evals.isPending && <Skeleton />}
      {evals.data?.data.length === 0 && <NoEvals />}
      {evals.data && evals.data.data.length > 0 && (
        <Scroll label="Evals">
          <table ref={table} className="list fixed">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Criteria</th>
                <th scope="col" className="right">
                  Created
                </th>
              </tr>
            </thead>
            <tbody>
              {evals.data.data.map((each) => (
                <tr key={each.id}>
                  <th scope="row">
                    <Link data-row to={`/evals/${each.id}` as "/evals"}>
                      <Name text={each.name ?? each.id} />
                    </Link>
                  </th>
                  <td>
                    {each.testing_criteria.map((criterion) => (
                      <span key={criterion.name} className="tag">
                        <Name text={criterion.name} />
                      </span>
                    ))}
                  </td>
                  <td className="right second">{ago(each.created_at)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Page>
  );
}
