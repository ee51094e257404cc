import type { Report } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { unitOf } from "@/format/words";
import { Outcome } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";

/** Errored items by message, the most frequent first. */
export function ErrorGroups({ report }: { report: Report }) {
  if (report.errors.length === 0) return null;
  return (
    <section aria-labelledby="errors">
      <div className="section-head">
        <h2 id="errors">Errors</h2>
        <span className="aside">
          {counted(report.errored, unitOf(report))} of {count(report.items)}, in no rate
        </span>
      </div>
      <table className="fixed errors-table">
        <colgroup>
          <col />
          <col className="c-items" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Message</th>
            <th scope="col" className="right">
              {unitOf(report) === "item" ? "Items" : "Samples"}
            </th>
          </tr>
        </thead>
        <tbody>
          {report.errors.map((each) => (
            <tr key={each.code + each.message}>
              <td className="cut" title={each.message}>
                <Outcome kind="error">
                  <Name text={each.message} />
                </Outcome>
              </td>
              <td className="right">{count(each.items)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
