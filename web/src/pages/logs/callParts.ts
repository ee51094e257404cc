import type { LoggedCall } from "@/api/types";
import { isObject } from "@/pages/item/contents";

/** What a call of either API consists of: chat completions and Responses name the same things differently. */

type Loose = Record<string, unknown>;

/** Request parameters that are shown in a place of their own. */
const ELSEWHERE = new Set([
  "messages",
  "input",
  "instructions",
  "tools",
  "functions",
  "model",
  "metadata",
  "previous_response_id",
]);

/** Return the messages that were sent, the oldest first. */
export function sentOf(call: LoggedCall): unknown[] {
  const request = call.request as Loose;
  if (call.kind === "chat") return Array.isArray(request.messages) ? request.messages : [];
  const { instructions, input } = request;
  const sent = Array.isArray(input) ? input : input == null ? [] : [{ role: "user", content: input }];
  return instructions ? [{ role: "developer", content: instructions }, ...sent] : sent;
}

/** Return the messages that were answered; several choices are several messages. */
export function answeredOf(call: LoggedCall): unknown[] {
  const reply = call.reply as Loose;
  if (call.kind === "responses") return Array.isArray(reply.output) ? reply.output : [];
  const choices = Array.isArray(reply.choices) ? reply.choices.filter(isObject) : [];
  return choices.map((choice) =>
    choices.length > 1 && isObject(choice.message)
      ? { ...choice.message, name: `choice ${Number(choice.index ?? 0) + 1}` }
      : choice.message,
  );
}

export function toolsOf(call: LoggedCall): unknown[] {
  const request = call.request as Loose;
  const tools = request.tools ?? request.functions;
  return Array.isArray(tools) ? tools : [];
}

/** Return a tool's name, its description and what it takes. */
export function toolParts(tool: unknown): { name: string; description: string; parameters: unknown } {
  const outer = isObject(tool) ? tool : {};
  const inner = isObject(outer.function) ? outer.function : isObject(outer.custom) ? outer.custom : outer;
  return {
    name: String(inner.name ?? outer.type ?? ""),
    description: typeof inner.description === "string" ? inner.description : "",
    parameters: inner.parameters ?? inner.format ?? outer,
  };
}

export function parametersOf(call: LoggedCall): [string, unknown][] {
  return Object.entries(call.request).filter(([name, value]) => !ELSEWHERE.has(name) && value !== null);
}

/** Return the usage in lines, those within others as `prompt_tokens_details.cached_tokens`. */
export function usageOf(call: LoggedCall): [string, number][] {
  return isObject(call.reply.usage) ? numbersIn(call.reply.usage, "") : [];
}

function numbersIn(value: Loose, before: string): [string, number][] {
  return Object.entries(value).flatMap(([name, each]): [string, number][] => {
    if (typeof each === "number") return [[before + name, each]];
    return isObject(each) ? numbersIn(each, `${before}${name}.`) : [];
  });
}

/** Return what the model's API says went wrong, if anything. */
export function errorOf(call: LoggedCall): string {
  const { error, incomplete_details: incomplete } = call.reply as Loose;
  if (isObject(error)) return String(error.message ?? error.code ?? "The reply is an error.");
  if (isObject(incomplete))
    return `The answer is incomplete: ${String(incomplete.reason ?? "no reason given")}.`;
  return "";
}

const WHOLE = new Set(["stop", "tool_calls", "function_call", "completed"]);

/** How an answer ended, and whether it is whole. */
export function endOf(reason: string | null): { words: string; isWhole: boolean } {
  return { words: reason ?? "–", isWhole: reason === null || WHOLE.has(reason) };
}
