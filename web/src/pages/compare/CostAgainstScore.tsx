import { useQueries } from "@tanstack/react-query";
import { scaleLinear } from "d3-scale";
import { reportQuery } from "@/api/queries";
import type { Comparison, Report } from "@/api/types";
import { count, dollars, figure, limits, percent } from "@/format/numbers";
import { duration } from "@/format/times";
import { Scroll, Section } from "@/layout/Page";
import { Outcome } from "@/parts/Outcome";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

type Props = { comparison: Comparison; baseline: NonNullable<Comparison["baseline"]> };

/** What each run cost beside what it scored: all its items, as its own report has them. */
export function CostAgainstScore({ comparison, baseline }: Props) {
  const ids = [baseline.run_id, ...comparison.comparisons.map((each) => each.candidate.run_id)];
  const answers = useQueries({ queries: ids.map((id) => reportQuery(id, false)) });
  const failed = answers.find((each) => each.error);
  const reports = answers.flatMap((each) => each.data ?? []);
  const isPriced = reports.length === ids.length && reports.every((each) => each.cost !== null);
  return (
    <Section id="cost" title="Cost against score" aside="each run's own report, all its items">
      {failed && <Failure error={failed.error} onRetry={failed.refetch} />}
      {reports.length < ids.length ? (
        !failed && <Skeleton lines={4} />
      ) : (
        <div className={isPriced ? "cost-columns" : ""}>
          {isPriced && <CostChart reports={reports} />}
          <div>
            <CostTable reports={reports} baseId={baseline.run_id} />
            {!isPriced && (
              <p className="table-foot">
                No prices are set for all these models, so there is no picture of cost. Set them as “prices”
                of an endpoint in evalhaven.toml.
              </p>
            )}
          </div>
        </div>
      )}
    </Section>
  );
}

const WIDTH = 320;
const HEIGHT = 170;
const LEFT = 34;
const BOTTOM = 140;

function CostChart({ reports }: { reports: readonly Report[] }) {
  const most = Math.max(...reports.map((each) => each.cost ?? 0));
  const bounds = reports.flatMap((each) => [
    each.rate.low ?? each.rate.value ?? 0,
    each.rate.high ?? each.rate.value ?? 0,
  ]);
  const x = scaleLinear([0, most || 1], [LEFT, WIDTH - 60]).nice(3);
  const y = scaleLinear([Math.min(...bounds), Math.max(...bounds)], [BOTTOM, 12]).nice(3);
  const said = reports
    .map((each) => `${visibleText(each.name)}: ${percent(each.rate.value)} percent for ${dollars(each.cost)}`)
    .join("; ");
  const labels = spread(reports.map((each) => y(each.rate.value ?? 0) + 4));
  return (
    <svg width="100%" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said}>
      {y.ticks(3).map((each) => (
        <g key={each}>
          <line className="c-axis" x1={LEFT} x2={WIDTH} y1={y(each)} y2={y(each)} opacity="0.5" />
          <text x={LEFT - 6} y={y(each) + 4} textAnchor="end">
            {Math.round(each * 100)}
          </text>
        </g>
      ))}
      {x.ticks(3).map((each) => (
        <text key={each} x={x(each)} y={BOTTOM + 18} textAnchor="middle">
          {dollars(each)}
        </text>
      ))}
      {reports.map((each, place) => {
        const at = x(each.cost ?? 0);
        const { value, low, high } = each.rate;
        if (value === null) return null;
        return (
          <g key={each.run_id}>
            {low !== null && high !== null && (
              <line className="c-whisker" x1={at} x2={at} y1={y(low)} y2={y(high)} />
            )}
            <circle className={place === 0 ? "c-baseline" : "c-point"} cx={at} cy={y(value)} r="4" />
            <text x={at + 8} y={labels[place]} className={place === 0 ? "" : "strong"}>
              {shortName(each.name || each.run_id)}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

const LABEL_HEIGHT = 14;

/** Return heights that keep their order, none nearer to another than the height of a label. */
function spread(heights: readonly number[]): number[] {
  const order = heights.map((_, place) => place).sort((a, b) => (heights[b] ?? 0) - (heights[a] ?? 0));
  const shown = [...heights];
  order.slice(1).forEach((place, rank) => {
    const below = shown[order[rank] ?? 0] ?? 0;
    shown[place] = Math.min(shown[place] ?? 0, below - LABEL_HEIGHT);
  });
  return shown;
}

const LONGEST_NAME = 20;

function shortName(name: string): string {
  const shown = visibleText(name);
  return shown.length <= LONGEST_NAME ? shown : `${shown.slice(0, LONGEST_NAME - 1)}…`;
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
