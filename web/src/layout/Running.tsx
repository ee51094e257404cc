import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { runningQuery } from "@/api/queries";

/** How many runs are under way and how far they are, with a link to the first of them. */
export function Running() {
  const running = useQuery(runningQuery).data?.data ?? [];
  const [first] = running;
  if (first === undefined) return null;
  const done = running.reduce((sum, run) => sum + run.items, 0);
  const planned = running.reduce((sum, run) => sum + (run.items_planned ?? 0), 0);
  return (
    <Link
      className="quiet second nowrap"
      to="/evals/$evalId/runs/$runId"
      params={{ evalId: first.eval_id, runId: first.id }}
    >
      <span className="pulse" aria-hidden="true">
        ●
      </span>{" "}
      {running.length} running{planned > 0 && `, ${Math.floor((done / planned) * 100)}%`}
    </Link>
  );
}
