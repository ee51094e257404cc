import { extensionOf } from "@/api/extension";
import type { RunById } from "@/api/types";
import { Progress } from "@/charts/Progress";
import { isUnderWay, statusWord } from "@/format/words";
import { Notice } from "@/states/States";
import { Name } from "@/text/SafeText";

/** How far a run is while it goes on, and what ended one that did not complete. */
export function RunProgress({ run }: { run: RunById }) {
  const { passed, failed, errored, total } = run.result_counts;
  const planned = extensionOf(run).items_planned ?? null;
  if (isUnderWay(run.status)) {
    return (
      <section className="section" aria-label="Progress">
        <Progress passed={passed} failed={failed} errored={errored} planned={planned} />
      </section>
    );
  }
  if (run.status === "completed") return null;
  const partial =
    planned !== null && planned > total ? ` Its figures are partial: ${total} of ${planned} items.` : "";
  return (
    <Notice>
      <b>{run.error ? <Name text={run.error.message} /> : `${statusWord(run.status)}.`}</b>
      {partial && <div className="second">{partial}</div>}
    </Notice>
  );
}
