import { count, dollars } from "@/format/numbers";
import { duration } from "@/format/times";
import { visibleText } from "@/text/visible";
import { isObject } from "./contents";

type Loose = Record<string, unknown>;

/** Return what the calls of a judge took, in a line: model, tokens, dollars, time, tries. */
export function usageWords(sample: unknown, calls: unknown): string {
  if (!isObject(sample)) return "";
  const [call] = Array.isArray(calls) ? calls.filter(isObject) : [];
  return [visibleText(String(sample.model ?? "")), ...figuresOf(sample, call ?? {})]
    .filter(Boolean)
    .join(", ");
}

/** Return tokens, dollars, time and tries of a call, as far as they are known. */
export function figuresOf(sample: Loose, call: Loose): string[] {
  const usage = isObject(sample.usage) ? sample.usage : {};
  const words: string[] = [];
  if (isCount(usage.total_tokens) && usage.total_tokens > 0) {
    words.push(`${count(numberIn(usage, "prompt_tokens"))} in`);
    const reasoning = numberIn(call, "reasoning_tokens");
    words.push(
      `${count(numberIn(usage, "completion_tokens"))} out${reasoning > 0 ? ` (${count(reasoning)} reasoning)` : ""}`,
    );
  }
  if (isCount(call.cost)) words.push(dollars(call.cost));
  if (isCount(call.latency_ms)) words.push(duration(call.latency_ms / 1000));
  if (isCount(call.attempts) && call.attempts > 1) words.push(`${count(call.attempts)} tries`);
  if (call.cached === true) words.push("from the cache");
  return words;
}

function numberIn(value: Loose, name: string): number {
  const found = value[name];
  return isCount(found) ? found : 0;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
