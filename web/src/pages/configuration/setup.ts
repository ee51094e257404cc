import { extensionOf } from "@/api/extension";
import type { Eval, RunById } from "@/api/types";
import { isObject, type Loose, textOfContent, wordOf } from "@/pages/eval/loose";

/** What a run was made of. Its documents are those of users and may hold anything, above all where it was imported. */

export type Message = { role: string; text: string };

/** Whether a model was asked for the answers. */
export function isSampled(run: RunById): boolean {
  return !extensionOf(run).regraded && run.data_source.input_messages != null;
}

/** Return the messages of a template; null where the messages stand in the items, or nothing is sampled. */
export function messagesOf(run: RunById): Message[] | null {
  const { input_messages: messages } = run.data_source;
  if (!isObject(messages) || !Array.isArray(messages.template)) return null;
  return messages.template.map((each: unknown) =>
    isObject(each)
      ? { role: wordOf(each.role), text: textOfContent(each.content) }
      : { role: "", text: textOfContent(each) },
  );
}

/** Return where in the items the messages stand; null where a template makes them. */
export function referenceOf(run: RunById): string | null {
  const { input_messages: messages } = run.data_source;
  return isObject(messages) && messages.item_reference !== undefined ? wordOf(messages.item_reference) : null;
}

/** Return the messages as one text, by which two runs are compared. */
export function promptText(run: RunById): string {
  const messages = messagesOf(run) ?? [];
  return [...messages.map(({ role, text }) => `${role}: ${text}`), referenceOf(run) ?? ""]
    .filter((each) => each !== "")
    .join("\n\n");
}

const OF_PROMPT = ["tools", "tool_choice", "response_format", "text"];

/** Return the sampling parameters that are words or numbers; what is part of the prompt stands beside it. */
export function parametersOf(run: RunById): [string, string][] {
  return paramsOf(run)
    .filter(([name]) => !OF_PROMPT.includes(name))
    .map(([name, value]) => [name, wordOf(value)]);
}

/** Return tools and the form of the answer, which the model is told beside the messages. */
export function toldBesideOf(run: RunById): [string, unknown][] {
  return paramsOf(run).filter(([name]) => OF_PROMPT.includes(name));
}

function paramsOf(run: RunById): [string, unknown][] {
  const { sampling_params: params, modalities, audio } = run.data_source;
  const all = { ...(isObject(params) ? params : {}), ...without({ modalities, audio }) };
  return Object.entries(without(all));
}

function without(values: Loose): Loose {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== null && value !== undefined),
  );
}

export type Source = { type: string; rest: Loose };

/** Return where the rows stand. */
export function sourceOf(run: RunById): Source {
  const { source } = run.data_source;
  if (!isObject(source)) return { type: wordOf(run.data_source.type), rest: {} };
  const { type, content: _rows, ...rest } = source;
  return { type: wordOf(type), rest: without(rest) };
}

/** Return the criteria by which a run is graded: its own, or the eval's. */
export function criteriaOf(run: RunById, parent: Eval | undefined): readonly unknown[] | undefined {
  return extensionOf(run).regraded?.testing_criteria ?? parent?.testing_criteria;
}
