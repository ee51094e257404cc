import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { extensionOf } from "@/api/extension";
import { evalQuery, runQuery } from "@/api/queries";
import type { RunById } from "@/api/types";
import { Section } from "@/layout/Page";
import { Criterion } from "@/pages/eval/Criterion";
import { isObject } from "@/pages/eval/loose";
import { Failure, Skeleton } from "@/states/States";
import { Again } from "./Again";
import { Metadata, Model, Options } from "./Options";
import { Prompt } from "./Prompt";
import { SinceBefore } from "./SinceBefore";
import { Source } from "./Source";
import { criteriaOf } from "./setup";

/** What a run was made of, in words: what changed since the run before, model, prompt, items, criteria, options. */
export function ConfigurationPage() {
  const { runId } = useParams({ from: "/evals/$evalId/runs/$runId" });
  const run = useQuery(runQuery(runId)).data;
  if (run === undefined) return <Skeleton />;
  return (
    <>
      <SinceBefore run={run} />
      <div className="columns wide-left">
        <div className="stack">
          <Prompt run={run} />
          <Criteria run={run} />
        </div>
        <div className="stack">
          <Model run={run} />
          <Source run={run} />
          <Options run={run} />
          <Metadata run={run} />
        </div>
      </div>
      <Again run={run} />
    </>
  );
}

function Criteria({ run }: { run: RunById }) {
  const parent = useQuery(evalQuery(run.eval_id));
  const criteria = criteriaOf(run, parent.data);
  const isOwn = extensionOf(run).regraded?.criteria === "request";
  return (
    <Section
      id="criteria"
      title="Criteria"
      aside={isOwn ? "this run's own" : "the eval's; an item passes if it passes all of them"}
    >
      {parent.error && <Failure error={parent.error} onRetry={parent.refetch} />}
      {criteria === undefined && parent.isPending && <Skeleton />}
      <div className="definitions">
        {criteria?.map((each, place) => (
          <Criterion key={place} criterion={isObject(each) ? each : {}} />
        ))}
      </div>
    </Section>
  );
}
