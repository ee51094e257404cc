import type { Report } from "@/api/types";
import { Histogram } from "@/charts/Histogram";
import { counted } from "@/format/numbers";
import { duration } from "@/format/times";

/** How long the calls took. */
export function Latency({ report }: { report: Report }) {
  const spread = report.latency_ms;
  if (!spread?.histogram) return null;
  const { low, high, counts } = spread.histogram;
  const seconds = (ms: number) => duration(ms / 1000);
  return (
    <section aria-labelledby="latency">
      <div className="section-head">
        <h2 id="latency">Latency</h2>
        <span className="aside">{counted(spread.items, "item")}, model only</span>
      </div>
      <Histogram
        label="Latency"
        low={low}
        high={high}
        counts={counts}
        isOpen
        marks={[
          { label: "p50", at: spread.p50 },
          { label: "p90", at: spread.p90 },
          { label: "p99", at: spread.p99 },
        ]}
        format={seconds}
      />
    </section>
  );
}
