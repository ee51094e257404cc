import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import type { LoggedCallRow } from "@/api/types";
import { count } from "@/format/numbers";
import { clock, moment, seconds } from "@/format/times";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Scroll } from "@/layout/Page";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { endOf } from "./callParts";

/** Calls, newest first; the one that is open beside them is marked. */
export function CallsTable({ calls, open }: { calls: readonly LoggedCallRow[]; open: string | undefined }) {
  const table = useRowKeys<HTMLTableElement>();
  // The drawer moves from call to call, and the row that it shows stays in sight.
  useEffect(() => {
    if (open === undefined) return;
    table.current?.querySelector("tr.current")?.scrollIntoView({ block: "nearest" });
  }, [open, table]);
  return (
    <Scroll label="Table of calls">
      <table ref={table} className="items fixed logs-table">
        <colgroup>
          <col className="c-time" />
          <col className="c-model" />
          <col className="c-kind" />
          <col />
          <col />
          <col className="c-tokens" />
          <col className="c-tokens" />
          <col className="c-latency" />
          <col className="c-end" />
          <col className="c-metadata" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Model</th>
            <th scope="col">API</th>
            <th scope="col">Asked last</th>
            <th scope="col">Answer</th>
            <th scope="col" className="right">
              In
            </th>
            <th scope="col" className="right">
              Out
            </th>
            <th scope="col" className="right">
              Took, s
            </th>
            <th scope="col">Ended</th>
            <th scope="col">Metadata</th>
          </tr>
        </thead>
        <tbody>
          {calls.map((call) => (
            <CallRow key={call.id} call={call} isOpen={call.id === open} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function CallRow({ call, isOpen }: { call: LoggedCallRow; isOpen: boolean }) {
  const metadata = Object.entries(call.metadata).map(([key, value]) => `${key}=${value}`);
  const end = endOf(call.finish_reason);
  return (
    <tr className={isOpen ? "current" : undefined}>
      <th scope="row" title={moment(call.created_at)}>
        <Link
          data-row
          from="/logs"
          to="."
          search={(before) => ({ ...before, call: call.id })}
          replace={isOpen}
          resetScroll={false}
          activeProps={{}}
        >
          <RowTime unix={call.created_at} />
        </Link>
      </th>
      <td title={visibleText(call.model)}>
        <Name text={call.model} />
      </td>
      <td className="second">{call.kind}</td>
      <td className="second">{call.input === null ? "–" : <Name text={call.input} />}</td>
      <td>{call.output === null ? <span className="third">–</span> : <Name text={call.output} />}</td>
      <td className="right second">{figureOf(call.prompt_tokens)}</td>
      <td className="right second">{figureOf(call.completion_tokens)}</td>
      <td className="right">{call.latency_ms === null ? "–" : seconds(call.latency_ms)}</td>
      <td className={end.isWhole ? "second" : "cut-short"}>
        <Name text={end.words} />
      </td>
      <td className="second" title={visibleText(metadata.join(", "))}>
        <Name text={metadata.join(", ")} />
      </td>
    </tr>
  );
}

/** Today's calls by the clock, older ones with their day. */
function RowTime({ unix }: { unix: number }) {
  const isToday = new Date(unix * 1000).toDateString() === new Date().toDateString();
  return <>{isToday ? clock(unix) : moment(unix).replace(/ \d{4},/, ",")}</>;
}

function figureOf(value: number | null): string {
  return value === null ? "–" : count(value);
}
