import { extensionOf } from "@/api/extension";
import { renderJson } from "@/api/json";
import { publicAddress } from "@/api/place";
import type { RunById } from "@/api/types";
import { isObject, type Loose } from "@/pages/eval/loose";
import { pythonOf, shellOf } from "@/pages/eval/repeating";
import type { Asking } from "@/states/Snippet";

const ROWS = "\u0000rows";
const JSON_TYPE = "-H 'Content-Type: application/json'";

/** Return code that makes the same run once more. Rows that were sent along are read from the run as it is stored. */
export function againCodes(asking: Asking, run: RunById): Record<string, string> {
  const { regraded } = extensionOf(run);
  if (regraded) return regradingCodes(asking, run, regraded);
  const { type, source, ...others } = run.data_source;
  const hasRows = isObject(source) && source.type === "file_content";
  const body = {
    name: run.name || "Again",
    ...metadataOf(run),
    data_source: { type, ...others, source: hasRows ? { ...source, content: ROWS } : source },
  };
  const evalhaven = optionsOf(run);
  return {
    Python: pythonCode(asking, run, body, evalhaven, hasRows),
    curl: curlCode(asking, run, { ...body, ...(isEmpty(evalhaven) ? {} : { evalhaven }) }, hasRows),
  };
}

function pythonCode(asking: Asking, run: RunById, body: Loose, evalhaven: Loose, hasRows: boolean): string {
  const given = [
    ...Object.entries(body),
    ...(isEmpty(evalhaven) ? [] : [["extra_body", { evalhaven }] as [string, unknown]]),
  ].map(([name, value]) => `    ${name}=${pythonOf(value, "    ")},\n`);
  const before = `before = client.evals.runs.retrieve("${run.id}", eval_id="${run.eval_id}").to_dict()\n`;
  const code = `${clientCode(asking)}${hasRows ? before : ""}run = client.evals.runs.create(
    "${run.eval_id}",
${given.join("")})
print(run.report_url)`;
  return code.replace(JSON.stringify(ROWS), 'before["data_source"]["source"]["content"]');
}

function curlCode(asking: Asking, run: RunById, body: Loose, hasRows: boolean): string {
  const { curl } = asking;
  const address = `${asking.address}/evals/${run.eval_id}/runs`;
  if (!hasRows) return `${curl} ${address} ${JSON_TYPE} -d ${shellOf(renderJson(body))}`;
  const { name, metadata: _metadata, data_source: _source, ...more } = body;
  const kept = renderJson({ name, ...more }, 0);
  const script = `import json, sys
run = json.load(sys.stdin)
body = {"data_source": run["data_source"], "metadata": run["metadata"]}
print(json.dumps(body | json.loads(sys.argv[1])))`;
  return `${curl} -s ${address}/${run.id} |
  python3 -c ${shellOf(script)} ${shellOf(kept)} |
  ${curl} ${address} ${JSON_TYPE} -d @-`;
}

type Regraded = NonNullable<ReturnType<typeof extensionOf>["regraded"]>;

function regradingCodes(asking: Asking, run: RunById, regraded: Regraded): Record<string, string> {
  const address = publicAddress(`/api/runs/${regraded.run_id}/regrade`);
  const criteria =
    regraded.criteria === "request" ? { testing_criteria: regraded.testing_criteria.map(withoutId) } : {};
  const body = { name: run.name || "Again", ...metadataOf(run), ...criteria };
  return {
    Python: `${clientCode(asking)}run = client.post(
    "${address}",
    body=${pythonOf(body, "    ")},
    cast_to=object,
)
print(run["report_url"])`,
    curl: `${asking.curl} ${address} ${JSON_TYPE} -d ${shellOf(renderJson(body))}`,
  };
}

function withoutId({ id: _id, ...criterion }: Loose): Loose {
  return criterion;
}

function clientCode({ client }: Asking): string {
  return `from openai import OpenAI

${client}
`;
}

function metadataOf(run: RunById): Loose {
  return isEmpty(run.metadata ?? {}) ? {} : { metadata: run.metadata };
}

/** Return the options that were not left at what they are anyway. */
function optionsOf(run: RunById): Loose {
  const { repeats, cache, max_concurrency, extra_body, budget, labels } = extensionOf(run);
  const limits = budget && Object.fromEntries(Object.entries(budget).filter(([, value]) => value !== null));
  const options = {
    repeats: repeats === 1 ? undefined : repeats,
    cache: cache || undefined,
    max_concurrency,
    extra_body,
    budget: limits,
    labels: labels?.length ? labels : undefined,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value != null));
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}
