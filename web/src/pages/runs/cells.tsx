import { Link } from "@tanstack/react-router";
import type { RunOverview } from "@/api/types";
import { RateBar, RateScale } from "@/charts/Rate";
import { compact, count, counted, dollars, limits, percent } from "@/format/numbers";
import { ago, duration, moment } from "@/format/times";
import { isUnderWay, statusWord } from "@/format/words";
import { Icon } from "@/parts/Icon";
import { Outcome } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

/** Heads and cells of a table whose rows stand for runs, wherever runs are listed. */

export function RunName({ run }: { run: RunOverview }) {
  return (
    <>
      <Link
        data-row
        to="/evals/$evalId/runs/$runId"
        params={{ evalId: run.eval_id, runId: run.id }}
        title={visibleText(run.name || run.id)}
      >
        <Name text={run.name || run.id} />
      </Link>
      {run.pinned && (
        <span className="tag pinned" title="Later runs are compared with it">
          <Icon name="pin" /> baseline
        </span>
      )}
    </>
  );
}

/** The status in a word; how far a run is that did not get through its items. */
export function RunStanding({ run }: { run: RunOverview }) {
  const of = run.items_planned === null ? "" : ` of ${count(run.items_planned)}`;
  const far = run.partial ? `${count(run.items)}${of}` : "";
  if (isUnderWay(run.status)) {
    return (
      <>
        <span className="pulse" aria-hidden="true">
          ●
        </span>{" "}
        {statusWord(run.status)} <span className="second">{run.status === "queued" ? "" : far}</span>
      </>
    );
  }
  if (run.status === "failed") {
    return (
      <span title={visibleText(run.error?.message ?? "")}>
        <Outcome kind="error">{statusWord(run.status)}</Outcome> <span className="second">{far}</span>
      </span>
    );
  }
  return (
    <>
      {statusWord(run.status)} {far !== "" && <span className="second">partial, {far}</span>}
    </>
  );
}

export function RunModel({ run }: { run: RunOverview }) {
  return (
    <td className="mono second c-model" title={visibleText(run.model)}>
      {run.model === "" ? "–" : <Name text={run.model} />}
    </td>
  );
}

export function RateHeads() {
  return (
    <>
      <th scope="col" className="right">
        Rate, %
      </th>
      <th scope="col" className="c-interval-column">
        <RateScale middle="95% interval" />
      </th>
    </>
  );
}

export function RateCells({ run }: { run: RunOverview }) {
  return (
    <>
      <td className="right">
        <RateFigure rate={run.rate} isPartial={run.partial} />
      </td>
      <td className="chart">
        <RateBar
          rate={run.rate}
          label={visibleText(run.name || run.id)}
          isPartial={run.partial}
          hasShare={false}
        />
      </td>
    </>
  );
}

/** A rate with its size and interval as a title, where a column has no room for them. */
export function RateFigure({ rate, isPartial }: { rate: RunOverview["rate"]; isPartial: boolean }) {
  const { value, low, high, items } = rate;
  if (value === null) return <Outcome kind="missing" />;
  const interval = low === null || high === null ? "" : `95% interval ${limits(low, high)}, `;
  const said = `${interval}${counted(items, "item")}${isPartial ? ", partial" : ""}`;
  return (
    <span className={isPartial ? "second" : ""} title={said}>
      {isPartial ? percent(value) : <b>{percent(value)}</b>}
    </span>
  );
}

const SPENT = ["Errors", "Tokens", "Cost", "Duration", "Created"] as const;

export function SpentHeads() {
  return (
    <>
      {SPENT.map((each) => (
        <th key={each} scope="col" className="right">
          {each}
        </th>
      ))}
    </>
  );
}

export function SpentCells({ run }: { run: RunOverview }) {
  return (
    <>
      <td className="right">
        <RunErrors run={run} />
      </td>
      <td className="right second">{run.tokens.total === 0 ? "–" : compact(run.tokens.total)}</td>
      <td className="right second">{dollars(run.cost)}</td>
      <td className="right second">{took(run.duration_s)}</td>
      <td className="right second" title={moment(run.created_at)}>
        {ago(run.created_at)}
      </td>
    </>
  );
}

function RunErrors({ run }: { run: RunOverview }) {
  if (run.errored === 0) return <>0</>;
  const kinds = Object.entries(run.errors).map(([code, number]) => `${visibleText(code)}: ${count(number)}`);
  return (
    <span title={kinds.join(", ")}>
      <Outcome kind="error">{count(run.errored)}</Outcome>
    </span>
  );
}

function took(seconds: number | null): string {
  if (seconds === null) return "–";
  return seconds < 1 ? "< 1 s" : duration(seconds);
}
