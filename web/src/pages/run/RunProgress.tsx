import { extensionOf } from "@/api/extension";
import type { Live } from "@/api/live";
import type { RunById } from "@/api/types";
import { Progress } from "@/charts/Progress";
import { count } from "@/format/numbers";
import { isUnderWay, statusWord } from "@/format/words";
import { Notice } from "@/states/States";
import { Name } from "@/text/SafeText";
import { LiveFigures } from "./LiveFigures";
import { Unreachable } from "./Unreachable";
import { WaitsForWorker } from "./WaitsForWorker";

/** How far a run is while it goes on, what ended one that did not complete, and what its author should know. */
export function RunProgress({ run, live }: { run: RunById; live: Live }) {
  const { passed, failed, errored, total } = run.result_counts;
  const { items_planned: planned = null, warnings = [], limiter } = extensionOf(run);
  const isLive = isUnderWay(run.status);
  const missing =
    planned !== null && planned > total
      ? ` Its figures are partial: ${count(total)} of ${count(planned)} items.`
      : "";
  return (
    <>
      {isLive && (
        <>
          <WaitsForWorker runId={run.id} />
          <Unreachable limiter={limiter ?? null} left={planned === null ? null : planned - total} />
          <section className="section" aria-label="Progress">
            <Progress passed={passed} failed={failed} errored={errored} planned={planned} />
            <LiveFigures live={live} />
          </section>
        </>
      )}
      {!isLive && run.status !== "completed" && (
        <Notice>
          <b>{run.error ? <Name text={run.error.message} /> : `${statusWord(run.status)}.`}</b>
          {missing && <div className="second">{missing}</div>}
        </Notice>
      )}
      {warnings.map((warning) => (
        <Notice key={warning.pointer + warning.message}>
          <Name text={warning.message} /> <span className="mono second">{warning.pointer}</span>
        </Notice>
      ))}
    </>
  );
}
