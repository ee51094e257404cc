import { Link } from "@tanstack/react-router";
import type { EvalOverview, RunPoint } from "@/api/types";
import { RateBar, RateScale } from "@/charts/Rate";
import { Sparkline } from "@/charts/Sparkline";
import { count, percent } from "@/format/numbers";
import { ago } from "@/format/times";
import { isUnderWay, statusWord } from "@/format/words";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Scroll } from "@/layout/Page";
import { Delta } from "@/parts/Delta";
import { Outcome } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { type EvalType, TYPES } from "./search";

const SHOWN_CRITERIA = 2;

export function EvalsTable({ evals }: { evals: readonly EvalOverview[] }) {
  const table = useRowKeys<HTMLTableElement>();
  return (
    <>
      <Scroll label="Table of evals">
        <table ref={table} className="list fixed evals-table">
          <colgroup>
            <col className="c-name" />
            <col className="c-data" />
            <col className="c-rows wide-only" />
            <col className="c-criteria" />
            <col className="c-spark" />
            <col className="c-rate" />
            <col />
            <col className="c-change" />
            <col className="c-runs" />
            <col className="c-last" />
          </colgroup>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" className="c-data">
                Data
              </th>
              <th scope="col" className="right wide-only">
                Items
              </th>
              <th scope="col">Criteria</th>
              <th scope="col">Last 20 runs</th>
              <th scope="col" className="right">
                Rate, %
              </th>
              <th scope="col">
                <RateScale middle="95% interval" />
              </th>
              <th scope="col">Change, points</th>
              <th scope="col" className="right">
                Runs
              </th>
              <th scope="col" className="right">
                Last run
              </th>
            </tr>
          </thead>
          <tbody>
            {evals.map((each) => (
              <EvalRow key={each.id} shown={each} />
            ))}
          </tbody>
        </table>
      </Scroll>
      <div className="table-foot">
        <span>
          Rate: items of the last completed run that passed every criterion, errors left out. Change: against
          the run before, with its 95% interval.
        </span>
        <span className="grow" />
        <span className="keys">
          <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> open <kbd>?</kbd> all keys
        </span>
      </div>
    </>
  );
}

function EvalRow({ shown }: { shown: EvalOverview }) {
  const { last_run: last, name } = shown;
  const rate = last?.partial ? last.rate : shown.last_rate?.rate;
  const isPartial = last?.partial ?? false;
  return (
    <tr>
      <th scope="row" title={visibleText(name)}>
        <Link data-row to="/evals/$evalId" params={{ evalId: shown.id }}>
          <Name text={name || shown.id} />
        </Link>
        {shown.follows !== null && <span className="tag">version {count(shown.version)}</span>}
      </th>
      <td className="second c-data">{TYPES[shown.data_source as EvalType] ?? shown.data_source}</td>
      <td className="right second wide-only">
        {last === null ? "–" : count(last.items_planned ?? last.items)}
      </td>
      <td>
        <Criteria shown={shown} />
      </td>
      <td className="chart">
        <Sparkline points={shown.recent.map(sparkPoint)} label={visibleText(name)} />
      </td>
      <td className="right">
        <RateFigure value={rate?.value ?? null} isPartial={isPartial} />
      </td>
      <td className="chart">
        <RateCell last={last} rate={rate} name={name} />
      </td>
      <td>
        <Change shown={shown} />
      </td>
      <td className="right second">{count(shown.runs)}</td>
      <td className="right second">
        <LastRun last={last} />
      </td>
    </tr>
  );
}

function Criteria({ shown }: { shown: EvalOverview }) {
  const more = shown.criteria_count - SHOWN_CRITERIA;
  const others = shown.criteria.slice(SHOWN_CRITERIA).map((each) => visibleText(each.name));
  return (
    <span className="tags">
      {shown.criteria.slice(0, SHOWN_CRITERIA).map((each) => (
        <span key={each.name} className="tag" title={visibleText(each.name)}>
          <Name text={each.name} />
        </span>
      ))}
      {more > 0 && (
        <span className="tag more" title={others.join(", ")}>
          +{more}
        </span>
      )}
    </span>
  );
}

function RateFigure({ value, isPartial }: { value: number | null; isPartial: boolean }) {
  if (value === null) return <Outcome kind="missing" />;
  return isPartial ? <span className="second">{percent(value)}</span> : <b>{percent(value)}</b>;
}

type RateCellProps = { last: RunPoint | null; rate: RunPoint["rate"] | undefined; name: string };

function RateCell({ last, rate, name }: RateCellProps) {
  if (last?.status === "failed") {
    return (
      <Outcome kind="error">
        <Name text={last.error?.message ?? "failed to run"} />
      </Outcome>
    );
  }
  if (rate === undefined || rate.value === null) return null;
  return (
    <RateBar rate={rate} label={visibleText(name)} isPartial={last?.partial ?? false} hasShare={false} />
  );
}

function Change({ shown }: { shown: EvalOverview }) {
  const { last_run: last, change } = shown;
  if (last === null) return <Outcome kind="missing" />;
  if (last.partial) {
    const of = last.items_planned === null ? "" : ` of ${count(last.items_planned)}`;
    return (
      <span className="second">
        partial, {count(last.items)}
        {of}
      </span>
    );
  }
  if (change !== null) return <Delta difference={change.difference} />;
  return <span className="second">{shown.runs === 1 ? "first run" : "nothing to compare"}</span>;
}

function LastRun({ last }: { last: RunPoint | null }) {
  if (last === null) return <span className="third">never</span>;
  if (!isUnderWay(last.status)) return <>{ago(last.created_at)}</>;
  const share = last.items_planned
    ? `${Math.floor((last.items / last.items_planned) * 100)}%`
    : statusWord(last.status);
  return (
    <>
      <span className="pulse" aria-hidden="true">
        ●
      </span>{" "}
      {share}
    </>
  );
}

function sparkPoint(run: RunPoint) {
  const hasFailed = run.status === "failed";
  return { id: run.id, value: run.rate.value, isPartial: run.partial && !hasFailed, hasFailed };
}
