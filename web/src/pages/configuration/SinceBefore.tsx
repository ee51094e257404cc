import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { renderJson } from "@/api/json";
import { runQuery } from "@/api/queries";
import { runOverviewQuery } from "@/api/runQueries";
import type { RunById, RunOverview } from "@/api/types";
import { Section } from "@/layout/Page";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";
import { WordDiff } from "@/text/WordDiff";
import { parametersOf, promptText, sourceOf, toldBesideOf } from "./setup";

type Aspect = RunOverview["changed"][number];

const ASPECTS: Record<Aspect, string> = {
  prompt: "the prompt",
  parameters: "the sampling parameters",
  model: "the model",
  data: "the items' source",
  criteria: "the criteria",
  judge: "the model that judges",
};

/** What differs from the run of the eval that was created before: the sentence first, then both texts. */
export function SinceBefore({ run }: { run: RunById }) {
  const overview = useQuery(runOverviewQuery(run.eval_id, run.id));
  const beforeId = overview.data?.previous_run ?? undefined;
  const before = useQuery({ ...runQuery(beforeId ?? ""), enabled: beforeId !== undefined });
  if (overview.error) return <Failure error={overview.error} onRetry={overview.refetch} />;
  if (before.error) return <Failure error={before.error} onRetry={before.refetch} />;
  if (overview.data == null) return null;
  if (beforeId === undefined) return <p className="setup-sentence">This is the eval's first run.</p>;
  if (before.data === undefined) return null;
  const { changed } = overview.data;
  return (
    <Section id="changed" title="Since the run before">
      <p className="setup-sentence">
        {changed.length === 0
          ? "Nothing differs from "
          : `What differs: ${listed(changed)}. The run before was `}
        <Link to="/evals/$evalId/runs/$runId" params={{ evalId: before.data.eval_id, runId: beforeId }}>
          <Name text={before.data.name || beforeId} />
        </Link>
        .
      </p>
      {changed.map((aspect) => (
        <Difference key={aspect} aspect={aspect} before={before.data} now={run} />
      ))}
    </Section>
  );
}

function listed(changed: readonly Aspect[]): string {
  const words = changed.map((each) => ASPECTS[each]);
  const last = words.pop() ?? "";
  return words.length === 0 ? last : `${words.join(", ")} and ${last}`;
}

function Difference({ aspect, before, now }: { aspect: Aspect; before: RunById; now: RunById }) {
  switch (aspect) {
    case "prompt":
      return <Both title="Prompt" left={told(before)} right={told(now)} />;
    case "parameters":
      return <Both title="Sampling parameters" left={parameters(before)} right={parameters(now)} />;
    case "model":
      return <Both title="Model" left={before.model} right={now.model} />;
    case "data": {
      const left = source(before);
      const right = source(now);
      return left === right ? (
        <Part title="Items">
          <p className="second">The rows of both runs were sent along, and are of different length.</p>
        </Part>
      ) : (
        <Both title="Items" left={left} right={right} />
      );
    }
    default:
      return null; // what they are stands below
  }
}

function told(run: RunById): string {
  const beside = toldBesideOf(run).map(([name, value]) => `${name}: ${renderJson(value)}`);
  return [promptText(run), ...beside].join("\n\n");
}

function parameters(run: RunById): string {
  return parametersOf(run)
    .map(([name, value]) => `${name} ${value}`)
    .join("\n");
}

const SOURCES: Record<string, string> = {
  file_content: "rows sent along",
  file_id: "a file",
  stored_completions: "logged chat completions",
  responses: "logged responses",
};

function source(run: RunById): string {
  const { type, rest } = sourceOf(run);
  return [
    SOURCES[type] ?? type,
    ...Object.entries(rest).map(([name, value]) => `${name} ${renderJson(value, 0)}`),
  ].join("\n");
}

function Both({ title, left, right }: { title: string; left: string; right: string }) {
  return (
    <Part title={title}>
      <div className="columns two setup-both">
        <div>
          <p className="second small">before</p>
          {left === "" ? <p className="third">(none)</p> : <WordDiff left={left} right={right} side="left" />}
        </div>
        <div>
          <p className="second small">in this run</p>
          {right === "" ? (
            <p className="third">(none)</p>
          ) : (
            <WordDiff left={left} right={right} side="right" />
          )}
        </div>
      </div>
    </Part>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="setup-difference">
      <h3>{title}</h3>
      {children}
    </div>
  );
}
