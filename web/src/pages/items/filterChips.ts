import { figure } from "@/format/numbers";
import type { ItemsFilter } from "./search";

/** A filter in words, and the filter that is left when it is removed. */
export type Chip = { key: string; name: string; value: string; without: ItemsFilter };

const STATUS_WORDS: Record<string, string> = { pass: "passed", fail: "failed", error: "error" };
const LISTS = [
  ["status", () => "outcome", (value) => STATUS_WORDS[value] ?? value],
  ["failed", (value) => value, () => "failed"],
  ["passed", (value) => value, () => "passed"],
  ["errored", (value) => value, () => "error"],
  ["error", () => "error", (value) => value],
  ["error_code", () => "error code", (value) => value],
  ["group", (value) => fieldOf(value), (value) => value.slice(fieldOf(value).length + 1) || "(empty)"],
] as const satisfies readonly [keyof ItemsFilter, (value: string) => string, (value: string) => string][];

/** Return a chip for each filter, in the order in which people think of them. */
export function chipsOf(filter: ItemsFilter): Chip[] {
  const chips: Chip[] = [];
  for (const [name, nameOf, wordOf] of LISTS) {
    const values: string[] = filter[name] ?? [];
    for (const value of values) {
      const rest = values.filter((each) => each !== value);
      chips.push({
        key: `${name} ${value}`,
        name: nameOf(value),
        value: wordOf(value),
        without: { ...filter, [name]: rest.length === 0 ? undefined : rest },
      });
    }
  }
  const scored = filter.criterion ?? "mean score";
  chips.push(...rangeChip(filter, "least_score", "most_score", scored, ""));
  chips.push(...rangeChip(filter, "least_latency", "most_latency", "latency", " ms"));
  chips.push(...rangeChip(filter, "least_tokens", "most_tokens", "tokens", ""));
  if (filter.text !== undefined)
    chips.push({ key: "text", name: "text", value: filter.text, without: { ...filter, text: undefined } });
  return chips;
}

/** Return a filter in a sentence, for the head of a drawer and the foot of a table. */
export function filterWords(filter: ItemsFilter): string {
  return chipsOf(filter)
    .map((chip) => `${chip.name} ${chip.value}`)
    .join(", ");
}

function fieldOf(group: string): string {
  const end = group.indexOf(":");
  return end === -1 ? group : group.slice(0, end);
}

type Bound = "least_score" | "most_score" | "least_latency" | "most_latency" | "least_tokens" | "most_tokens";

function rangeChip(filter: ItemsFilter, least: Bound, most: Bound, name: string, unit: string): Chip[] {
  const low = filter[least];
  const high = filter[most];
  if (low === undefined && high === undefined) return [];
  const value =
    low === undefined
      ? `at most ${figure(high ?? 0)}${unit}`
      : high === undefined
        ? `at least ${figure(low)}${unit}`
        : `${figure(low)} to ${figure(high)}${unit}`;
  return [{ key: least, name, value, without: { ...filter, [least]: undefined, [most]: undefined } }];
}
