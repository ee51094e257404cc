import type { CallsFilter } from "@/api/logQueries";
import { choiceOf, type Search, textOf, textsOf } from "@/format/search";

export const KINDS = { chat: "Chat completions", responses: "Responses" } as const;
export type CallKind = keyof typeof KINDS;

/** Which calls are meant. All of it is in the address, so that a list can be sent to somebody. */
export type LogsFilter = {
  text?: string | undefined;
  kind?: CallKind | undefined;
  model?: string | undefined;
  /** `key=value`, each once. */
  metadata?: string[] | undefined;
  /** Unix seconds, inclusive. */
  since?: number | undefined;
  until?: number | undefined;
};

/** The filter, and the call that is open beside the list. */
export type LogsSearch = LogsFilter & { call?: string | undefined };

export function logsFilter(search: Search): LogsFilter {
  return {
    text: textOf(search, "text"),
    kind: choiceOf(search, "kind", Object.keys(KINDS) as CallKind[]),
    model: textOf(search, "model"),
    metadata: textsOf(search, "metadata")?.filter((pair) => pair.indexOf("=") > 0),
    since: secondOf(search, "since"),
    until: secondOf(search, "until"),
  };
}

export function logsSearch(search: Search): LogsSearch {
  return { ...logsFilter(search), call: textOf(search, "call") };
}

/** Return the filter as the API takes it. */
export function asked(filter: LogsFilter): CallsFilter {
  return {
    kind: filter.kind,
    model: filter.model,
    text: filter.text,
    metadata: filter.metadata && metadataOf(filter.metadata),
    created_after: filter.since,
    created_before: filter.until,
  };
}

export function metadataOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map(pairOf));
}

/** Return key and value of `key=value`; the value may hold the sign too. */
export function pairOf(pair: string): [string, string] {
  const at = pair.indexOf("=");
  return [pair.slice(0, at), pair.slice(at + 1)];
}

export function isFiltered(filter: LogsFilter): boolean {
  return Object.values(logsFilter(filter)).some((value) => value !== undefined);
}

function secondOf(search: Search, name: string): number | undefined {
  const value = Number(search[name] ?? Number.NaN);
  return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
