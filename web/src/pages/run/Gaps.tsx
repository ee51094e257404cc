import type { Report } from "@/api/types";
import { Name } from "@/text/SafeText";

/** What the report cannot tell, and why: so that nobody takes a dash for nothing. */
export function Gaps({ report }: { report: Report }) {
  if (report.gaps.length === 0) return null;
  const reasons = [...new Set(report.gaps.map((gap) => gap.why))];
  return (
    <section aria-labelledby="gaps">
      <div className="section-head">
        <h2 id="gaps">What cannot be told</h2>
      </div>
      <ul className="gaps">
        {reasons.map((why) => (
          <li key={why}>
            <Name text={why} />
          </li>
        ))}
      </ul>
    </section>
  );
}
