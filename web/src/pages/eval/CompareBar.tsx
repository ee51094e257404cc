import { Link, useNavigate } from "@tanstack/react-router";
import type { RunOverview } from "@/api/types";
import { counted } from "@/format/numbers";
import { useShortcut } from "@/keyboard/shortcuts";
import { MOST_RUNS } from "@/pages/compare/search";

type Props = { runs: readonly RunOverview[]; selected: readonly string[] };

/** What can be done with the chosen runs; it stays in sight. */
export function CompareBar({ runs, selected }: Props) {
  const navigate = useNavigate();
  const ids = oldestFirst(runs, selected).join(",");
  useShortcut("c", "compare the selected runs", () => {
    if (selected.length > 0) navigate({ to: "/compare", search: { runs: ids } });
  });
  if (selected.length === 0) return null;
  return (
    <section className="compare-bar" aria-label="Selected runs">
      <Link className="button main" to="/compare" search={{ runs: ids }}>
        {selected.length === 1 ? "Compare with its baseline" : `Compare ${selected.length}`}
      </Link>
      <span role="status">{counted(selected.length, "run")} selected</span>
      <span className="second">
        {selected.length >= MOST_RUNS ? "No more than that are compared." : "The oldest is the baseline."}
      </span>
      <span className="grow" />
      <Link
        className="button plain"
        from="/evals/$evalId"
        to="."
        search={(before) => ({ ...before, selected: undefined })}
        replace
      >
        Clear
      </Link>
    </section>
  );
}

/** Return the chosen ids in the order in which the runs were made; those that are not loaded are older. */
function oldestFirst(runs: readonly RunOverview[], selected: readonly string[]): string[] {
  const made = new Map(runs.map((run) => [run.id, run.created_at]));
  return [...selected].sort((a, b) => (made.get(a) ?? 0) - (made.get(b) ?? 0) || (a < b ? -1 : 1));
}
