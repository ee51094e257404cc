import type { Report } from "@/api/types";
import { compact, count, dollars } from "@/format/numbers";
import { Name } from "@/text/SafeText";

/** Calls, tokens and dollars by model and role. */
export function Usage({ report }: { report: Report }) {
  if (report.usage.length === 0) return null;
  const total = report.usage.reduce(
    (sum, each) => ({
      calls: sum.calls + each.calls,
      sent: sum.sent + each.prompt_tokens,
      answered: sum.answered + each.completion_tokens,
    }),
    { calls: 0, sent: 0, answered: 0 },
  );
  return (
    <section aria-labelledby="usage">
      <div className="section-head">
        <h2 id="usage">Cost</h2>
        <span className="aside">by target and judge</span>
      </div>
      <table className="fixed usage-table">
        <colgroup>
          <col />
          <col className="c-items" />
          <col className="c-items" />
          <col className="c-items" />
          <col className="c-cost" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col" className="right">
              Calls
            </th>
            <th scope="col" className="right">
              In
            </th>
            <th scope="col" className="right">
              Out
            </th>
            <th scope="col" className="right">
              USD
            </th>
          </tr>
        </thead>
        <tbody>
          {report.usage.map((each) => (
            <tr key={each.role + each.model}>
              <th scope="row" title={each.model}>
                <Name text={each.model} />
                {each.role === "judge" && ", judge"}
              </th>
              <td className="right">{count(each.calls)}</td>
              <td className="right">{compact(each.prompt_tokens)}</td>
              <td className="right">{compact(each.completion_tokens)}</td>
              <td className="right">{dollars(each.cost).replace("$", "")}</td>
            </tr>
          ))}
          {report.usage.length > 1 && (
            <tr className="total">
              <th scope="row">Total</th>
              <td className="right">{count(total.calls)}</td>
              <td className="right">{compact(total.sent)}</td>
              <td className="right">{compact(total.answered)}</td>
              <td className="right">
                <b>{dollars(report.cost).replace("$", "")}</b>
              </td>
            </tr>
          )}
        </tbody>
      </table>
      <p className="table-foot">
        {report.cost === null
          ? "Some calls have no price: evalhaven.toml can name it."
          : "Prices as configured; tokens in and out."}
      </p>
    </section>
  );
}
