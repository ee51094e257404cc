import type { Asking } from "@/states/Snippet";
import { type CriterionWish, criterionOf } from "./criteria";
import { asked, type LogsFilter } from "./search";

/** What is to become of the calls of a filter. */
export type Wish = CriterionWish & {
  name: string;
  /** The model that answers anew; empty to grade the answers that are stored. */
  model: string;
};

export type Requests = { created: Record<string, unknown>; run: Record<string, unknown> };

/** Return the bodies that make an eval over logged calls, and its run over those of a filter. */
export function requestsOf(filter: LogsFilter, wish: Wish): Requests {
  const isChat = filter.kind !== "responses";
  const { metadata, model, created_after, created_before } = asked(filter);
  const source = {
    type: isChat ? "stored_completions" : "responses",
    ...(metadata && { metadata }),
    ...(model && { model }),
    ...(created_after !== undefined && { created_after }),
    ...(created_before !== undefined && { created_before }),
  };
  const again = {
    model: wish.model,
    input_messages: { type: "item_reference", item_reference: "item.input" },
  };
  return {
    created: {
      name: wish.name,
      data_source_config: { type: "logs" },
      testing_criteria: [criterionOf(wish)],
    },
    run: {
      name: wish.model === "" ? "As stored" : `Replayed with ${wish.model}`,
      data_source: {
        type: isChat ? "completions" : "responses",
        source,
        ...(wish.model !== "" && again),
      },
    },
  };
}

/** Return the same as programs send it to this server. */
export function codesOf(
  { address, client, curl }: Asking,
  { created, run }: Requests,
): Record<string, string> {
  return {
    Python: `from openai import OpenAI

${client}
# No body holds true, false or null: JSON is Python here.
ev = client.evals.create(**${written(created)})
run = client.evals.runs.create(ev.id, **${written(run)})
print(run.report_url)`,
    curl: `EVAL=$(${curl} -s ${address}/evals -H 'Content-Type: application/json' \\
  -d ${quoted(created)} | sed -n 's/.*"id": *"\\(eval_[^"]*\\)".*/\\1/p')
${curl} -s ${address}/evals/$EVAL/runs -H 'Content-Type: application/json' \\
  -d ${quoted(run)}`,
  };
}

function written(body: unknown): string {
  return JSON.stringify(body, null, 4);
}

/** A shell takes nothing between single quotes for its own. */
function quoted(body: unknown): string {
  return `'${JSON.stringify(body, null, 2).replaceAll("'", "'\\''")}'`;
}
