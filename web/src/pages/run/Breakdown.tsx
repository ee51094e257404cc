import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { renderJson } from "@/api/json";
import { breakdownQuery } from "@/api/queries";
import type { BreakdownGroup, Report, ReportBreakdown } from "@/api/types";
import { RateBar, RateScale } from "@/charts/Rate";
import { count, percent } from "@/format/numbers";
import { Menu } from "@/parts/Menu";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { useBreakdown } from "./useBreakdown";

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
  const isUnprepared = report.fields.some((field) => field.name === by && field.values === null);
  // A question of its own: a field that cannot be answered must not take the rest of the report along.
  const asked = useQuery({
    ...breakdownQuery(report.run_id, by ?? "", isLive),
    enabled: by !== undefined && !isUnprepared,
  });
  const breakdown = asked.data?.breakdowns[0];
  const fields = report.fields.filter((field) => field.values === null || field.values > 1);
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
              <span className="key">{field.values === null ? "many" : count(field.values)} values</span>
            </Link>
          ))}
        </Menu>
      </div>
      {asked.error && <Failure error={asked.error} onRetry={asked.refetch} />}
      {asked.isLoading && <Skeleton />}
      {isUnprepared && by !== undefined && <ReadBreakdown runId={report.run_id} field={by} />}
      {breakdown ? (
        <Groups breakdown={breakdown} />
      ) : (
        by === undefined && <p className="second">Choose a field to see the rate of each of its values.</p>
      )}
    </section>
  );
}

function ReadBreakdown({ runId, field }: { runId: string; field: string }) {
  const { read, total, groups, values, state, error, cancel, again } = useBreakdown(runId, field);
  if (error !== null) return <Failure error={error} onRetry={again} />;
  if (state === "whole") {
    const shown = groups.map((group) => ({ ...group, value: textOf(group) }));
    return <Groups breakdown={{ values, groups: shown }} />;
  }
  return (
    <p className="second">
      <progress aria-label="Items read" value={read} max={total || 1} /> {count(read)} of {count(total)} items{" "}
      <button type="button" className="button slim" onClick={state === "reading" ? cancel : again}>
        {state === "reading" ? "Cancel" : "Start again"}
      </button>
    </p>
  );
}

function textOf({ value, missing, shortened }: BreakdownGroup): string {
  if (missing) return "(none)";
  const text = typeof value === "string" ? value : renderJson(value);
  return shortened ? `${text}…` : text;
}

type Shown = {
  values: number;
  groups: readonly Pick<ReportBreakdown["groups"][number], "value" | "items" | "rate">[];
};

function Groups({ breakdown }: { breakdown: Shown }) {
  const shown = inOrder(breakdown);
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
          {shown.map((group, place) => (
            <tr key={place}>
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

const BY_VALUE = new Intl.Collator("en", { numeric: true });

/** Return the groups that are shown: all of them by their value, or the largest, the largest first. */
function inOrder({ groups }: Shown): Shown["groups"] {
  if (groups.length > SHOWN) return groups.slice(0, SHOWN);
  return [...groups].sort((one, other) => {
    if (one.value === null || other.value === null)
      return Number(one.value === null) - Number(other.value === null);
    return BY_VALUE.compare(valueText(one.value), valueText(other.value));
  });
}

function valueText(value: string | number | boolean | null): string {
  return value === null ? "(none)" : String(value);
}
