import type { Report } from "@/api/types";
import { RateBar, RateScale } from "@/charts/Rate";
import { count, percent } from "@/format/numbers";

/** What several samples of an item achieve: at least one of k passes, or all of them. */
export function Repeats({ report }: { report: Report }) {
  const { repeats } = report;
  if (!repeats) return null;
  const rows = repeats.by_k.flatMap(({ k, at_least_one, all_of_them }) => [
    { label: `one of ${k}`, rate: at_least_one },
    ...(k > 1 ? [{ label: `all of ${k}`, rate: all_of_them }] : []),
  ]);
  return (
    <section aria-labelledby="repeats">
      <div className="section-head">
        <h2 id="repeats">Repeats</h2>
        <span className="aside">
          {count(repeats.unstable)} of {count(repeats.items)} items pass only sometimes
        </span>
      </div>
      <table className="fixed breakdown-table">
        <colgroup>
          <col className="c-value" />
          <col />
          <col className="c-rate" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Passes</th>
            <th scope="col">
              <RateScale />
            </th>
            <th scope="col" className="right">
              Rate, %
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ label, rate }) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td className="chart">
                <RateBar rate={rate} label={label} />
              </td>
              <td className="right">
                <b>{percent(rate.value)}</b>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
