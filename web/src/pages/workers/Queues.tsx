import { Link } from "@tanstack/react-router";
import type { RunQueue, WorkerOverviewList } from "@/api/types";
import { count } from "@/format/numbers";
import { duration } from "@/format/times";
import { statusWord } from "@/format/words";
import { Scroll, Section } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";

const REASONS = {
  worker: "waits for a worker",
  newer_worker: "waits for a newer worker",
  turn: "waits for its turn",
} as const;

/** The runs under way: how much of each is done, under way and to come. */
export function Queues({ found }: { found: WorkerOverviewList }) {
  return (
    <Section id="queues" title="Runs under way" aside="in chunks of up to a few hundred rows">
      {found.runs.length === 0 ? (
        <p className="second">
          None. A run appears here as soon as it is created, and leaves when it has ended.
        </p>
      ) : (
        <Scroll label="Chunks of runs">
          <table className="queues">
            <thead>
              <tr>
                <th scope="col">Run</th>
                <th scope="col">State</th>
                <th scope="col" className="c-chunks">
                  Chunks
                </th>
                <th scope="col" className="right">
                  Done
                </th>
                <th scope="col" className="right">
                  Under way
                </th>
                <th scope="col" className="right">
                  To come
                </th>
                <th scope="col" className="right">
                  Oldest waits for
                </th>
              </tr>
            </thead>
            <tbody>
              {found.runs.map((queue) => (
                <QueueRow key={queue.run_id} queue={queue} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Section>
  );
}

function QueueRow({ queue }: { queue: RunQueue }) {
  const { chunks, chunks_done: done, chunks_under_way: underWay, waits_for: reason } = queue;
  const isHeld = reason === "worker" || reason === "newer_worker";
  return (
    <tr>
      <th scope="row" className="c-run">
        <Link to="/evals/$evalId/runs/$runId" params={{ evalId: queue.eval_id, runId: queue.run_id }}>
          <Name text={queue.run_name || queue.run_id} />
        </Link>
      </th>
      <td>
        {isHeld && <Icon name="error" className="error" />}{" "}
        {reason === null ? statusWord(queue.status) : REASONS[reason]}
      </td>
      <td className="c-chunks">
        <Share queue={queue} />
      </td>
      <td className="right">{chunks === null ? "–" : count(done)}</td>
      <td className="right">{underWay === null ? "–" : count(underWay)}</td>
      <td className="right">{chunks === null ? "–" : count(chunks - done - (underWay ?? 0))}</td>
      <td className="right">{queue.waiting_s === null ? "–" : duration(Math.floor(queue.waiting_s))}</td>
    </tr>
  );
}

/** What is done and what is under way, as a bar; the figures stand beside it. */
function Share({ queue }: { queue: RunQueue }) {
  const { chunks, chunks_done: done, chunks_under_way: underWay } = queue;
  if (chunks === null) return <span className="second">rows are not checked yet</span>;
  const all = Math.max(chunks, 1);
  const share = (part: number) => `${(100 * part) / all}%`;
  return (
    <svg width="100%" height="8" aria-hidden="true">
      <rect className="c-waiting" width="100%" height="8" />
      <rect className="c-done" width={share(done)} height="8" />
      <rect className="c-under-way" x={share(done)} width={share(underWay ?? 0)} height="8" />
    </svg>
  );
}
