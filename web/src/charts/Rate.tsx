import type { Rate } from "@/api/types";
import { limits, percent } from "@/format/numbers";

type Props = {
  rate: Rate;
  /** What the rate is of, for screen readers. */
  label: string;
  baseline?: number | null | undefined;
  /** The figure is not final. */
  isPartial?: boolean;
  /** Whether the passed share is tinted; without it only the interval is drawn. */
  hasShare?: boolean;
};

/** A rate on a track from 0 to 100: share as a tint, interval a bar, estimate a tick, baseline a hollow circle. */
export function RateBar({ rate, label, baseline, isPartial = false, hasShare = true }: Props) {
  if (rate.value === null) return null;
  const { value, low, high } = rate;
  const interval = low === null || high === null ? "" : `, 95 percent interval ${limits(low, high)}`;
  const against = baseline == null ? "" : `, baseline ${percent(baseline)}`;
  const said = `${label}: ${percent(value)} percent${interval}${against}${isPartial ? ", partial" : ""}`;
  return (
    <svg className={isPartial ? "partial" : ""} width="100%" height="18" role="img" aria-label={said}>
      <rect className="c-track" y="4" width="100%" height="10" />
      {hasShare && <rect className="c-share" y="4" width={across(value)} height="10" />}
      {low !== null && high !== null && (
        <rect className="c-interval" x={across(low)} width={across(high - low)} y="6.5" height="5" />
      )}
      {baseline != null && <circle className="c-baseline" cx={across(baseline)} cy="9" r="3.5" />}
      <line className="c-estimate" x1={across(value)} x2={across(value)} y1="1" y2="17" />
    </svg>
  );
}

/** The head of a column of rates. */
export function RateScale({ middle = "50" }: { middle?: string }) {
  return (
    <span className="spread">
      <span>0</span>
      <span>{middle}</span>
      <span>100</span>
    </span>
  );
}

/** What the marks mean. */
export function RateLegend({ hasBaseline }: { hasBaseline: boolean }) {
  return (
    <span className="legend">
      <span>
        <svg width="34" height="14" aria-hidden="true">
          <rect className="c-track" y="2" width="34" height="10" />
          <rect className="c-share" y="2" width="20" height="10" />
          <rect className="c-interval" x="14" y="4.5" width="12" height="5" />
          <line className="c-estimate" x1="20" x2="20" y1="0" y2="14" />
        </svg>
        passed, with 95% interval
      </span>
      {hasBaseline && (
        <span>
          <svg width="9" height="14" aria-hidden="true">
            <circle className="c-baseline" cx="4.5" cy="7" r="3.25" />
          </svg>
          baseline
        </span>
      )}
    </span>
  );
}

function across(share: number): string {
  return `${(share * 100).toFixed(2)}%`;
}
