import type { QueryKey } from "@tanstack/react-query";

/**
 * Show the answer before until the new one is there, if it is of the same eval or run, the second part of the key.
 * Figures of another one would stand under this one's name.
 */
export function previousOf(owner: string | undefined) {
  return <Answer>(previous: Answer | undefined, query: { queryKey: QueryKey } | undefined) =>
    query !== undefined && query.queryKey[1] === owner ? previous : undefined;
}
