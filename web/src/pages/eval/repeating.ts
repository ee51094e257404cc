import { renderJson } from "@/api/json";
import type { RunById } from "@/api/types";
import type { Asking } from "@/states/Snippet";
import { isObject } from "./loose";

/** Return code that repeats a run. Rows that were sent along are not fetched for it: an example stands for them. */
export function repeating(
  asking: Asking,
  evalId: string,
  run: RunById,
  example: unknown,
): Record<string, string> {
  return runCodes(asking, evalId, run.name || "Again", withExample(run.data_source, example));
}

/** Return code that runs an eval over a data source. */
export function runCodes(
  { address, client, curl }: Asking,
  evalId: string,
  name: string,
  source: unknown,
): Record<string, string> {
  return {
    Python: `from openai import OpenAI

${client}
run = client.evals.runs.create(
    "${evalId}",
    name=${JSON.stringify(name)},
    data_source=${pythonOf(source, "    ")},
)
print(run.report_url)`,
    curl: `${curl} ${address}/evals/${evalId}/runs -H 'Content-Type: application/json' -d ${shellOf(renderJson({ name, data_source: source }))}`,
  };
}

function withExample(dataSource: unknown, example: unknown): unknown {
  if (!isObject(dataSource) || !isObject(dataSource.source)) return dataSource;
  if (dataSource.source.type !== "file_content") return dataSource;
  return { ...dataSource, source: { ...dataSource.source, content: [{ item: example }] } };
}

/** Return a value of JSON as Python writes it. */
export function pythonOf(value: unknown, indent: string): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    const lines = value.map((each) => `${indent}    ${pythonOf(each, `${indent}    `)},\n`);
    return `[\n${lines.join("")}${indent}]`;
  }
  if (!isObject(value)) return JSON.stringify(value);
  const lines = Object.entries(value).map(
    ([key, each]) => `${indent}    ${JSON.stringify(key)}: ${pythonOf(each, `${indent}    `)},\n`,
  );
  return lines.length === 0 ? "{}" : `{\n${lines.join("")}${indent}}`;
}

/** Return a text as a shell takes it, whatever it holds. */
export function shellOf(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
