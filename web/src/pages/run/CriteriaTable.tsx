import type { Report, RunComparison } from "@/api/types";
import { RateBar, RateLegend, RateScale } from "@/charts/Rate";
import { count, limits, percent } from "@/format/numbers";
import { Scroll, Section } from "@/layout/Page";
import { Delta } from "@/parts/Delta";
import { Outcome } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";

type Props = { report: Report; against: RunComparison | undefined; isPartial: boolean };
type Row = Pick<Report["criteria"][number], "name" | "passed" | "failed" | "errored" | "rate"> & {
  type?: string;
};

/** Each criterion with its rate; the last row is what holds for items: all criteria together. */
export function CriteriaTable({ report, against, isPartial }: Props) {
  const compared = new Map(against?.criteria.map((each) => [each.name, each]));
  const { passed, failed, errored, rate } = report;
  const all: Row = { name: `all ${report.criteria.length}`, passed, failed, errored, rate };
  return (
    <Section
      id="criteria"
      title="Criteria"
      aside={`share of graded items that passed${isPartial ? `; partial, ${partOf(report)}` : ""}`}
      end={<RateLegend hasBaseline={against !== undefined} />}
    >
      <Scroll label="Table of criteria">
        <table className="fixed criteria-table">
          <colgroup>
            <col className="c-name" />
            <col className="c-type" />
            <col className="c-count" />
            <col className="c-count" />
            <col className="c-errors" />
            <col />
            <col className="c-rate" />
            <col className="c-limits" />
            {against && <col className="c-delta" />}
          </colgroup>
          <thead>
            <tr>
              <th scope="col">Criterion</th>
              <th scope="col">Grader</th>
              <th scope="col" className="right">
                Passed
              </th>
              <th scope="col" className="right">
                Failed
              </th>
              <th scope="col" className="right errors">
                Errors
              </th>
              <th scope="col">
                <RateScale />
              </th>
              <th scope="col" className="right">
                Rate, %
              </th>
              <th scope="col" className="limits">
                95% interval
              </th>
              {against && <th scope="col">Against baseline, points</th>}
            </tr>
          </thead>
          <tbody>
            {report.criteria.map((each) => (
              <CriterionRow
                key={each.name}
                row={each}
                compared={compared.get(each.name)}
                isPartial={isPartial}
                hasBaseline={!!against}
              />
            ))}
            {report.criteria.length > 1 && (
              <CriterionRow
                row={all}
                compared={against && { baseline: against.baseline_rate, difference: against.difference }}
                isPartial={isPartial}
                hasBaseline={!!against}
                isTotal
              />
            )}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

type RowProps = {
  row: Row;
  compared: Pick<RunComparison["criteria"][number], "baseline" | "difference"> | undefined;
  isPartial: boolean;
  hasBaseline: boolean;
  isTotal?: boolean;
};

function CriterionRow({ row, compared, isPartial, hasBaseline, isTotal = false }: RowProps) {
  const { rate } = row;
  return (
    <tr className={isTotal ? "total" : ""}>
      <th scope="row" title={row.name}>
        <Name text={row.name} />
      </th>
      <td className="second small">{row.type}</td>
      <td className="right">{count(row.passed)}</td>
      <td className="right">{count(row.failed)}</td>
      <td className="right errors">
        {row.errored > 0 ? <Outcome kind="error">{count(row.errored)}</Outcome> : "0"}
      </td>
      <td className="chart">
        <RateBar rate={rate} label={row.name} baseline={compared?.baseline.value} isPartial={isPartial} />
      </td>
      <td className="right">
        {isPartial ? <span className="second">{percent(rate.value)}</span> : <b>{percent(rate.value)}</b>}
      </td>
      <td className="interval limits">
        {rate.low !== null && rate.high !== null && limits(rate.low, rate.high)}
      </td>
      {hasBaseline && <td>{compared && <Delta difference={compared.difference} />}</td>}
    </tr>
  );
}

function partOf({ items, items_planned: planned }: Report): string {
  return planned === null ? `${count(items)} so far` : `${count(items)} of ${count(planned)}`;
}
