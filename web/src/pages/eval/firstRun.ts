import { renderJson } from "@/api/json";
import type { Eval } from "@/api/types";
import { exampleOf, fieldsOf, itemSchemaOf } from "./schema";

export type Source = { type: "jsonl" | "completions"; [key: string]: unknown };

/** A name that a placeholder can hold as it is. */
const PLAIN_NAME = /^\w+$/;

/** Return a data source that an eval can be run over as it stands: an example of an item, answered if answers are judged. */
export function firstSource(parent: Eval, model: string): Source {
  const schema = itemSchemaOf(parent.data_source_config);
  if (schema === null) return { type: "completions", source: { type: "stored_completions" } };
  const source = { type: "file_content", content: [{ item: exampleOf(schema) }] };
  if (!renderJson(parent.testing_criteria).includes("sample")) return { type: "jsonl", source };
  const field = fieldsOf(schema).find((each) => PLAIN_NAME.test(each.name));
  const asked = field === undefined ? "Say hello." : `{{ item.${field.name} }}`;
  const template = [{ role: "user", content: asked }];
  return { type: "completions", model, input_messages: { type: "template", template }, source };
}
