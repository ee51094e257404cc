import { Link } from "@tanstack/react-router";
import { scaleLinear } from "d3-scale";
import type { ReactNode } from "react";
import type { ComparedCounts, Comparison, Difference, Rate, RunComparison } from "@/api/types";
import { DifferenceBar, differenceDomain } from "@/charts/DifferenceChart";
import { changed, count, figure, percent, points, pValue, signed } from "@/format/numbers";
import { Scroll, Section } from "@/layout/Page";
import { Delta } from "@/parts/Delta";
import { Name } from "@/text/SafeText";
import { METHODS } from "./CompareVerdict";
import { type CompareSearch, FROM_THE_START, ONLY_HERE } from "./search";

type Row = {
  key: string;
  name: string;
  baseline: Rate;
  candidate: Rate;
  difference: Difference;
  scores?: Difference | null;
  counts: ComparedCounts;
  change: CompareSearch;
  isShown: boolean;
  isTotal?: boolean;
};

type OfRun = { shown: RunComparison; margin: number | null; criterion?: string | undefined };

/** How each criterion differs; the last row is what holds for items: all criteria together. */
export function CriteriaDifferences({ shown, margin }: OfRun) {
  const rows: Row[] = shown.criteria.map((each) => ({
    key: each.name,
    name: each.name,
    baseline: each.baseline,
    candidate: each.candidate,
    difference: each.difference,
    scores: each.score_difference,
    counts: each.counts,
    change: { criterion: each.name },
    isShown: false,
  }));
  const total: Row = {
    key: "",
    name: `all ${shown.criteria.length}`,
    baseline: shown.baseline_rate,
    candidate: shown.candidate_rate,
    difference: shown.difference,
    counts: shown.counts,
    change: { criterion: undefined },
    isShown: false,
    isTotal: true,
  };
  const aside = margin === null ? "points, 95% interval" : `points, 95% interval; margin ${points(-margin)}`;
  return (
    <Section id="by-criterion" title="Difference by criterion" aside={aside}>
      <DifferenceTable
        label="Differences by criterion"
        head="Criterion"
        rows={rows.length > 1 ? [...rows, total] : rows}
      />
    </Section>
  );
}

type OfRuns = {
  comparison: Comparison;
  shown: RunComparison;
  baseline: NonNullable<Comparison["baseline"]>;
};

/** How each run differs from the base; a click shows the items of another one. */
export function RunDifferences({ comparison, shown, baseline }: OfRuns) {
  const rows = comparison.comparisons.map(
    (each): Row => ({
      key: each.candidate.run_id,
      name: each.candidate.name || each.candidate.run_id,
      baseline: each.baseline_rate,
      candidate: each.candidate_rate,
      difference: each.difference,
      counts: each.counts,
      change: { run: each.candidate.run_id, change: undefined },
      isShown: each === shown,
    }),
  );
  return (
    <Section
      id="by-run"
      title="Each run against the base"
      aside={
        <>
          <Name text={baseline.name || baseline.run_id} />; all criteria together
        </>
      }
    >
      <DifferenceTable label="Differences by run" head="Run" rows={rows} />
    </Section>
  );
}

function DifferenceTable({ label, head, rows }: { label: string; head: string; rows: readonly Row[] }) {
  const domain = differenceDomain(rows.map((row) => row.difference));
  return (
    <>
      <Scroll label={label}>
        <table className="fixed difference-table">
          <colgroup>
            <col className="c-name" />
            <col className="c-rate" />
            <col className="c-rate" />
            <col />
            <col className="c-delta" />
            <col className="c-fixed" />
            <col className="c-regressed" />
          </colgroup>
          <thead>
            <tr>
              <th scope="col">{head}</th>
              <th scope="col" className="right">
                Base, %
              </th>
              <th scope="col" className="right">
                New, %
              </th>
              <th scope="col" className="ticks">
                <Ticks domain={domain} />
              </th>
              <th scope="col">Difference, points</th>
              <th scope="col" className="right">
                Fixed
              </th>
              <th scope="col" className="right">
                Regressed
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.key} className={row.isTotal ? "total" : row.isShown ? "current" : ""}>
                <th scope="row" title={row.name}>
                  <ItemsLink change={row.change} isCurrent={row.isShown}>
                    <Name text={row.name} />
                  </ItemsLink>
                </th>
                <td className="right second">{percent(row.baseline.value)}</td>
                <td className="right">
                  <b>{percent(row.candidate.value)}</b>
                </td>
                <td className="chart">
                  <DifferenceBar difference={row.difference} domain={domain} label={row.name} />
                </td>
                <td>
                  <Delta difference={row.difference} />
                </td>
                <td className="right">
                  <ItemsLink change={{ ...row.change, change: "fixed" }}>{count(row.counts.fixed)}</ItemsLink>
                </td>
                <td className="right">
                  <ItemsLink change={{ ...row.change, change: "regressed" }}>
                    {count(row.counts.regressed)}
                  </ItemsLink>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <Figures rows={rows} head={head} />
    </>
  );
}

function Ticks({ domain }: { domain: [number, number] }) {
  const scale = scaleLinear(domain, [0, 100]);
  const ticks = scale.ticks(3);
  const decimals = Math.abs((ticks[1] ?? 1) - (ticks[0] ?? 0)) < 0.0099 ? 1 : 0;
  // One at an end would stand on the head of the next column.
  const shown = ticks.filter((each) => scale(each) > 4 && scale(each) < 96);
  return (
    <span className="tick-row">
      {shown.map((each) => (
        <span key={each} style={{ left: `${scale(each)}%` }}>
          {each === 0 ? "0" : signed(each * 100, decimals)}
        </span>
      ))}
    </span>
  );
}

type LinkProps = { change: CompareSearch; isCurrent?: boolean; children: ReactNode };

export function ItemsLink({ change, isCurrent = false, children }: LinkProps) {
  return (
    <Link
      from="/compare"
      to="."
      hash="items"
      search={(before) => ({ ...before, ...FROM_THE_START, ...change })}
      resetScroll={false}
      activeProps={{}}
      activeOptions={ONLY_HERE}
      aria-current={isCurrent ? "true" : undefined}
    >
      {children}
    </Link>
  );
}

/** What the picture leaves out: p, the least difference that can be seen, the method, and the scores. */
function Figures({ rows, head }: { rows: readonly Row[]; head: string }) {
  return (
    <details className="figures-of">
      <summary>p, what can be seen, method, scores</summary>
      <Scroll label={`Figures by ${head.toLowerCase()}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">{head}</th>
              <th scope="col">Verdict</th>
              <th scope="col" className="right">
                Items
              </th>
              <th scope="col">Test</th>
              <th scope="col" className="right">
                Can be seen, points
              </th>
              <th scope="col">Interval</th>
              <th scope="col">Mean score</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ key, name, difference, scores }) => (
              <tr key={key}>
                <th scope="row">
                  <Name text={name} />
                </th>
                <td>
                  {difference.verdict.replace("_", " ")}
                  {difference.reason !== null && (
                    <>
                      , <Name text={difference.reason} />
                    </>
                  )}
                </td>
                <td className="right">{count(difference.items)}</td>
                <td>{difference.p === null ? "–" : pValue(difference.p)}</td>
                <td className="right">
                  {difference.visible === null ? "–" : (difference.visible * 100).toFixed(1)}
                </td>
                <td>{METHODS[difference.method] ?? difference.method}</td>
                <td>{scores ? scoresText(scores) : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}

function scoresText({ value, low, high }: Difference): string {
  const shown = changed(value);
  return low === null || high === null ? shown : `${shown}, likely ${figure(low)} to ${figure(high)}`;
}
