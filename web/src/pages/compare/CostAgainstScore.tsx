import { useQueries } from "@tanstack/react-query";
import { Fragment } from "react";
import { reportQuery } from "@/api/queries";
import type { Comparison, Report } from "@/api/types";
import { CostChart, type CostPoint } from "@/charts/CostChart";
import { count, dollars, figure, limits, percent } from "@/format/numbers";
import { duration } from "@/format/times";
import { Scroll, Section } from "@/layout/Page";
import { Outcome } from "@/parts/Outcome";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";

type Props = { comparison: Comparison; baseline: NonNullable<Comparison["baseline"]> };

/** What each run cost beside what it scored: all its items, as its own report has them. */
export function CostAgainstScore({ comparison, baseline }: Props) {
  const ids = [baseline.run_id, ...comparison.comparisons.map((each) => each.candidate.run_id)];
  const answers = useQueries({ queries: ids.map((id) => reportQuery(id, false)) });
  const failed = answers.find((each) => each.error);
  const reports = answers.flatMap(({ data }, place) => (data?.run_id === ids[place] && data ? [data] : []));
  const points = reports.flatMap((each) => pointOf(each, baseline.run_id) ?? []);
  return (
    <Section id="cost" title="Cost against score" aside="each run's own report, all its items">
      {failed && <Failure error={failed.error} onRetry={failed.refetch} />}
      {reports.length < ids.length ? (
        !failed && <Skeleton lines={4} />
      ) : (
        <div className={points.length > 0 ? "cost-columns" : ""}>
          {points.length > 0 && <CostChart points={points} />}
          <div>
            <CostTable reports={reports} baseId={baseline.run_id} />
            <Unpriced reports={reports} />
          </div>
        </div>
      )}
    </Section>
  );
}

function pointOf({ run_id, name, cost, rate }: Report, baseId: string): CostPoint | undefined {
  const { value, low, high } = rate;
  if (cost === null || value === null) return undefined;
  return { id: run_id, name: name || run_id, cost, value, low, high, isBase: run_id === baseId };
}

/** Says which runs are not in the picture, and what puts them there. */
function Unpriced({ reports }: { reports: readonly Report[] }) {
  const without = reports.filter((each) => each.cost === null);
  const uncalled = without.filter((each) => each.usage.length === 0);
  const unpriced = without.filter((each) => each.usage.length > 0);
  return (
    <>
      {uncalled.length > 0 && (
        <p className="second cost-note">
          <Names reports={uncalled} /> asked no model, so nothing is known of the cost: the answers came with
          the data.
        </p>
      )}
      {unpriced.length > 0 && (
        <p className="second cost-note">
          Not every call of <Names reports={unpriced} /> has a price, so the cost is not known. Set “prices”
          of the endpoints in evalhaven.toml: they hold for the runs after that.
        </p>
      )}
    </>
  );
}

function Names({ reports }: { reports: readonly Report[] }) {
  return reports.map((each, place) => (
    <Fragment key={each.run_id}>
      {place > 0 && (place === reports.length - 1 ? " and " : ", ")}
      <Name text={each.name || each.run_id} />
    </Fragment>
  ));
}

function CostTable({ reports, baseId }: { reports: readonly Report[]; baseId: string }) {
  return (
    <Scroll label="Cost and score by run">
      <table className="cost-table">
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col" className="right">
              Rate, %
            </th>
            <th scope="col">95% interval</th>
            <th scope="col" className="right">
              Items
            </th>
            <th scope="col" className="right">
              Errors
            </th>
            <th scope="col" className="right">
              Cost
            </th>
            <th scope="col" className="right">
              Tokens, mean
            </th>
            <th scope="col" className="right">
              Latency, p50
            </th>
          </tr>
        </thead>
        <tbody>
          {reports.map((each) => (
            <tr key={each.run_id}>
              <th scope="row">
                <span className="cut">
                  <Name text={each.name || each.run_id} />
                </span>
                {each.run_id === baseId && <small className="second"> base</small>}
              </th>
              <td className="right">
                {each.status === "completed" ? <b>{percent(each.rate.value)}</b> : percent(each.rate.value)}
              </td>
              <td className="interval">
                {each.rate.low !== null && each.rate.high !== null && limits(each.rate.low, each.rate.high)}
              </td>
              <td className="right">{count(each.items)}</td>
              <td className="right">
                {each.errored > 0 ? <Outcome kind="error">{count(each.errored)}</Outcome> : "0"}
              </td>
              <td className="right">{dollars(each.cost)}</td>
              <td className="right">{each.tokens ? figure(Math.round(each.tokens.mean)) : "–"}</td>
              <td className="right">{each.latency_ms ? duration(each.latency_ms.p50 / 1000) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
