import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { addressOf } from "@/api/client";
import { extensionOf } from "@/api/extension";
import { fileOverviewQuery } from "@/api/fileQueries";
import type { RunById } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { moment } from "@/format/times";
import { Section } from "@/layout/Page";
import { isObject, type Loose, wordOf } from "@/pages/eval/loose";
import type { CallKind } from "@/pages/logs/search";
import { Name } from "@/text/SafeText";
import { Fact, Facts } from "./Fact";
import { sourceOf, type Source as Where } from "./setup";

const KINDS: Record<string, CallKind> = { stored_completions: "chat", responses: "responses" };

/** Where the items come from, with a way to look at them there. */
export function Source({ run }: { run: RunById }) {
  const { regraded } = extensionOf(run);
  const source = sourceOf(run);
  return (
    <Section id="source" title="Items" aside="where they come from">
      {regraded ? (
        <p>
          The items and answers of{" "}
          <Link to="/evals/$evalId/runs/$runId" params={{ evalId: run.eval_id, runId: regraded.run_id }}>
            another run
          </Link>
          , graded anew.
        </p>
      ) : source.type === "file_id" ? (
        <OfFile fileId={wordOf(source.rest.id)} />
      ) : source.type in KINDS ? (
        <Logged source={source} />
      ) : source.type === "file_content" ? (
        <SentAlong run={run} />
      ) : (
        <Others rest={{ type: source.type, ...source.rest }} />
      )}
    </Section>
  );
}

function OfFile({ fileId }: { fileId: string }) {
  const file = useQuery(fileOverviewQuery(fileId)).data;
  return (
    <Facts>
      <Fact name="file">
        <Link to="/files/$fileId" params={{ fileId }}>
          <Name text={file?.filename || fileId} />
        </Link>
        {file === null && <span className="second"> deleted since</span>}
      </Fact>
      {file?.rows != null && <Fact name="rows">{count(file.rows)}</Fact>}
    </Facts>
  );
}

function SentAlong({ run }: { run: RunById }) {
  const { items_planned: planned, repeats = 1 } = extensionOf(run);
  const { eval_id, id: run_id } = run;
  const address = addressOf("/v1/evals/{eval_id}/runs/{run_id}", { path: { eval_id, run_id } });
  return (
    <p>
      {planned == null ? "Rows" : counted(planned / repeats, "row")} sent along with the request:{" "}
      <Link to="/evals/$evalId/runs/$runId/items" params={{ evalId: eval_id, runId: run_id }}>
        the items
      </Link>
      , or <a href={address}>the run as the API shows it</a>, with its rows.
    </p>
  );
}

/** Logged calls, chosen by what the run asked for; the list of calls can be filtered by most of it. */
function Logged({ source: { type, rest } }: { source: Where }) {
  const { metadata, model, created_after: since, created_before: until } = rest;
  const pairs = Object.entries(isObject(metadata) ? metadata : {}).map(
    ([key, value]) => `${key}=${wordOf(value)}`,
  );
  const search = {
    kind: KINDS[type],
    model: typeof model === "string" ? model : undefined,
    metadata: pairs.length > 0 ? pairs : undefined,
    since: typeof since === "number" ? since : undefined,
    until: typeof until === "number" ? until : undefined,
  };
  return (
    <>
      <p>
        Logged calls:{" "}
        <Link to="/logs" search={search}>
          {type === "responses" ? "responses" : "chat completions"}
        </Link>
        {Object.keys(rest).length === 0 && ", all of them"}
      </p>
      <Others rest={rest} />
    </>
  );
}

const MOMENTS = ["created_after", "created_before"];

function Others({ rest }: { rest: Loose }) {
  return (
    <Facts>
      {Object.entries(rest).map(([name, value]) => (
        <Fact key={name} name={name.replaceAll("_", " ")}>
          <Name text={MOMENTS.includes(name) && typeof value === "number" ? moment(value) : wordOf(value)} />
        </Fact>
      ))}
    </Facts>
  );
}
