import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { breakdownQuery } from "@/api/queries";
import type { Report, ReportBreakdown } from "@/api/types";
import { RateBar, RateScale } from "@/charts/Rate";
import { count, percent } from "@/format/numbers";
import { Menu } from "@/parts/Menu";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

const SHOWN = 12;

/** The rate by the values of a field of the items, which the address names. */
export function Breakdown({
  report,
  by,
  isLive,
}: {
  report: Report;
  by: string | undefined;
  isLive: boolean;
}) {
  // A question of its own: a field that cannot be answered must not take the rest of the report along.
  const asked = useQuery({ ...breakdownQuery(report.run_id, by ?? "", isLive), enabled: by !== undefined });
  const breakdown = asked.data?.breakdowns[0];
  const fields = report.fields.filter((field) => field.values !== null && field.values > 1);
  if (fields.length === 0) return null;
  return (
    <section aria-labelledby="breakdown">
      <div className="section-head">
        <h2 id="breakdown">
          Rate by<span className="print-only"> {by && <Name text={by} />}</span>
        </h2>
        <Menu label={visibleText(by ?? "choose a field")} isSlim>
          {fields.map((field) => (
            <Link key={field.name} to="." search={(before) => ({ ...before, by: field.name })} replace>
              <Name text={field.name} />
              <span className="key">{count(field.values ?? 0)} values</span>
            </Link>
          ))}
        </Menu>
      </div>
      {asked.error && <Failure error={asked.error} onRetry={asked.refetch} />}
      {asked.isLoading && <Skeleton />}
      {breakdown ? (
        <Groups breakdown={breakdown} />
      ) : (
        by === undefined && <p className="second">Choose a field to see the rate of each of its values.</p>
      )}
    </section>
  );
}

function Groups({ breakdown }: { breakdown: ReportBreakdown }) {
  const shown = breakdown.groups.slice(0, SHOWN);
  return (
    <>
      <table className="fixed breakdown-table">
        <colgroup>
          <col className="c-value" />
          <col className="c-items" />
          <col />
          <col className="c-rate" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Value</th>
            <th scope="col" className="right">
              Items
            </th>
            <th scope="col">
              <RateScale />
            </th>
            <th scope="col" className="right">
              Rate, %
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((group) => (
            <tr key={JSON.stringify(group.value)}>
              <th scope="row" title={valueText(group.value)}>
                <Name text={valueText(group.value)} />
              </th>
              <td className="right second">{count(group.items)}</td>
              <td className="chart">
                <RateBar rate={group.rate} label={valueText(group.value)} />
              </td>
              <td className="right">
                {group.rate.thin ? percent(group.rate.value) : <b>{percent(group.rate.value)}</b>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="table-foot">
        {breakdown.values > shown.length &&
          `The ${shown.length} largest of ${count(breakdown.values)} values. `}
        {shown.some((group) => group.rate.thin) && "Light figures stand on fewer than 30 items."}
      </p>
    </>
  );
}

function valueText(value: string | number | boolean | null): string {
  return value === null ? "(none)" : String(value);
}
