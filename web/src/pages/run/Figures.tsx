import type { ReactNode } from "react";
import type { Report, RunComparison } from "@/api/types";
import { compact, count, dollars, limits, percent } from "@/format/numbers";
import { duration } from "@/format/times";
import { unitOf } from "@/format/words";
import { Delta } from "@/parts/Delta";
import { Icon } from "@/parts/Icon";

type Props = {
  report: Report;
  against: RunComparison | undefined;
  baseline: Report | undefined;
  isPartial: boolean;
};

/** The few figures that a reader wants first, each with its size and what it was before. */
export function Figures({ report, against, baseline, isPartial }: Props) {
  const { rate, criteria, latency_ms: latency, tokens } = report;
  const judged = report.passed + report.failed;
  const unit = unitOf(report);
  return (
    <dl className="figures">
      <Figure
        title={criteria.length === 1 ? (criteria[0]?.name ?? "Rate") : `All ${criteria.length} criteria`}
      >
        <dd className="value">
          {percent(rate.value)}
          <small>%</small>
        </dd>
        <dd>
          {isPartial
            ? `partial, ${count(judged)} of ${count(report.items_planned ?? report.items)}`
            : `${count(report.passed)} of ${count(judged)}`}
          {rate.low !== null && rate.high !== null && `, ${limits(rate.low, rate.high)}`}
        </dd>
        {against && !isPartial && (
          <dd>
            <Delta difference={against.difference} />
          </dd>
        )}
      </Figure>
      <Figure title="Errors">
        <dd className="value">
          {report.errored > 0 && <Icon name="error" className="error" />} {count(report.errored)}
          {report.errored > 0 && (
            <small>
              {report.errored === 1 ? unit : `${unit}s`},{" "}
              {percent(report.errored / Math.max(1, report.items))}%
            </small>
          )}
        </dd>
        <dd>{report.errored > 0 ? "not counted as failed" : `every ${unit} has a result`}</dd>
        {baseline && <dd>{moreOrFewer(report.errored - baseline.errored)}</dd>}
      </Figure>
      {latency && (
        <Figure title="Latency, p50">
          <Measured text={duration(latency.p50 / 1000)} />
          <dd>p95 {duration(latency.p95 / 1000)}</dd>
          {baseline?.latency_ms && <dd>{slower((latency.p50 - baseline.latency_ms.p50) / 1000)}</dd>}
        </Figure>
      )}
      {tokens && (
        <Figure title={`Tokens ${unit === "item" ? "an item" : "a sample"}, p50`}>
          <dd className="value">{count(tokens.p50)}</dd>
          <dd>p95 {count(tokens.p95)}</dd>
          <dd>{compact(tokens.mean * tokens.items)} in all</dd>
        </Figure>
      )}
      {report.cost !== null && (
        <Figure title="Cost">
          <dd className="value">{dollars(report.cost)}</dd>
          <dd>{report.items > 0 && `${dollars((report.cost / report.items) * 1000)} per 1,000 ${unit}s`}</dd>
          {baseline?.cost != null && <dd>{dearer(report.cost - baseline.cost)}</dd>}
        </Figure>
      )}
    </dl>
  );
}

function Figure({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <dt>{title}</dt>
      {children}
    </div>
  );
}

/** A figure with its unit smaller. */
function Measured({ text }: { text: string }) {
  const [number, ...unit] = text.split(" ");
  return (
    <dd className="value">
      {number}
      <small>{unit.join(" ")}</small>
    </dd>
  );
}

function moreOrFewer(difference: number): string {
  if (difference === 0) return "as many as the baseline";
  return `${count(Math.abs(difference))} ${difference > 0 ? "more" : "fewer"} than the baseline`;
}

function slower(seconds: number): string {
  if (Math.abs(seconds) < 0.001) return "as fast as the baseline";
  return `${duration(Math.abs(seconds))} ${seconds > 0 ? "slower" : "faster"}`;
}

function dearer(difference: number): string {
  if (Math.abs(difference) < 1e-9) return "as dear as the baseline";
  return `${dollars(Math.abs(difference))} ${difference > 0 ? "dearer" : "cheaper"}`;
}
