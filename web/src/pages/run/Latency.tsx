import type { Report } from "@/api/types";
import { count } from "@/format/numbers";
import { duration } from "@/format/times";

/** How long the calls took. */
export function Latency({ report }: { report: Report }) {
  const spread = report.latency_ms;
  if (!spread) return null;
  const rows = [
    ["Mean", spread.mean],
    ["p50", spread.p50],
    ["p90", spread.p90],
    ["p95", spread.p95],
    ["p99", spread.p99],
    ["Longest", spread.high],
  ] as const;
  return (
    <section aria-labelledby="latency">
      <div className="section-head">
        <h2 id="latency">Latency</h2>
        <span className="aside">{count(spread.items)} items, model only</span>
      </div>
      <table>
        <tbody>
          {rows.map(([label, ms]) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td className="latency-bar">
                <svg width="100%" height="10" aria-hidden="true">
                  <rect className="c-track" width="100%" height="10" />
                  <rect className="c-bar" width={`${(ms / spread.high) * 100}%`} height="10" />
                </svg>
              </td>
              <td className="right">{duration(ms / 1000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
