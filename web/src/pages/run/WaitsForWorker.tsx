import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { LIST_POLL_MS } from "@/api/queries";
import { workersQuery } from "@/api/workerQueries";
import { duration } from "@/format/times";
import { Icon } from "@/parts/Icon";

/** Why nothing of a run under way is executed, as long as that is so. */
export function WaitsForWorker({ runId }: { runId: string }) {
  const workers = useQuery({
    ...workersQuery,
    // With SQLite the only worker is the server's own, and its state is told elsewhere.
    refetchInterval: ({ state }) => (state.data?.shared === false ? false : LIST_POLL_MS),
  });
  const queue = workers.data?.runs.find((each) => each.run_id === runId);
  if (queue === undefined || (queue.waits_for !== "worker" && queue.waits_for !== "newer_worker"))
    return null;
  return (
    <div className="notice error">
      <Icon name="error" className="error" />
      <div>
        <b role="alert">
          {queue.waits_for === "worker"
            ? "This run waits: no worker is there."
            : "This run waits for a newer worker: it uses what those at work do not know."}
        </b>
        <div className="second">
          {queue.waiting_s !== null && `It has waited for ${duration(Math.floor(queue.waiting_s))}. `}
          Nothing is lost, and it goes on by itself. <Link to="/workers">Workers</Link> says how to start one.
        </div>
      </div>
    </div>
  );
}
