import { Link } from "@tanstack/react-router";
import type { WorkerOverview } from "@/api/types";
import { count } from "@/format/numbers";
import { duration, moment } from "@/format/times";
import { Scroll, Section } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";

/** One line a worker: whether it is heard, and what it executes. */
export function WorkerTable({ workers }: { workers: readonly WorkerOverview[] }) {
  return (
    <Section id="at-work" title="At work">
      <Scroll label="Workers">
        <table className="workers">
          <thead>
            <tr>
              <th scope="col">Worker</th>
              <th scope="col">State</th>
              <th scope="col" className="right">
                Last heard
              </th>
              <th scope="col" className="right">
                Since
              </th>
              <th scope="col" className="right">
                Release
              </th>
              <th scope="col" className="right">
                Chunks
              </th>
              <th scope="col" className="right">
                Rows in them
              </th>
              <th scope="col">Runs</th>
            </tr>
          </thead>
          <tbody>
            {workers.map((worker) => (
              <WorkerRow key={`${worker.name} ${worker.started_at}`} worker={worker} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

function WorkerRow({ worker }: { worker: WorkerOverview }) {
  const { runs } = worker;
  const isLive = worker.state === "live";
  return (
    <tr>
      <th scope="row" className="mono">
        <Name text={worker.name} />
      </th>
      <td>
        <Icon name={isLive ? "pass" : "error"} className={isLive ? "pass" : "error"} />{" "}
        {isLive ? "live" : "silent"}
      </td>
      <td className="right">{silence(worker.silent_s)}</td>
      <td className="right second">{moment(worker.started_at)}</td>
      <td className="right mono">
        <Name text={worker.release} />
      </td>
      <td className="right">{summed(runs?.map((each) => each.chunks))}</td>
      <td className="right">{summed(runs?.map((each) => each.rows))}</td>
      <td className="c-of">
        {runs?.map((each) => (
          <span key={each.run_id}>
            <Link to="/evals/$evalId/runs/$runId" params={{ evalId: each.eval_id, runId: each.run_id }}>
              <Name text={each.run_name || each.run_id} />
            </Link>
            {each.plans && <span className="second"> (checks its rows)</span>}{" "}
          </span>
        ))}
        {runs?.length === 0 && <span className="second">nothing now</span>}
        {runs === null && <span className="second">all runs</span>}
      </td>
    </tr>
  );
}

/** Whole seconds: a heartbeat comes every few of them, so fractions would only flicker. */
function silence(seconds: number): string {
  return seconds < 1 ? "just now" : `${duration(Math.floor(seconds))} ago`;
}

function summed(values: readonly number[] | undefined): string {
  return values === undefined ? "–" : count(values.reduce((sum, each) => sum + each, 0));
}
