import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { addressOf, get } from "./client";

/** Questions about who may do what, and who did what. */

const PAGE = 50;

export type AuditWanted = {
  of?: "project" | "organization" | undefined;
  action?: string | undefined;
  caller?: string | undefined;
  target?: string | undefined;
};

/** Whether requests need an API key: from the first that was ever made. */
export const serverQuery = queryOptions({
  queryKey: ["server"],
  queryFn: ({ signal }) => get("/api/server", { signal }),
});

export const keysQuery = queryOptions({
  queryKey: ["keys", "project"],
  queryFn: ({ signal }) => get("/api/keys", { signal }),
});

/** The keys of the organization; who may not operate it is refused with 403. */
export const adminKeysQuery = queryOptions({
  queryKey: ["keys", "organization"],
  queryFn: ({ signal }) => get("/api/admin_keys", { signal }),
});

/** What keys and people changed, newest first. */
export function auditQuery(wanted: AuditWanted) {
  return infiniteQueryOptions({
    queryKey: ["audit", wanted],
    queryFn: ({ pageParam, signal }) =>
      get("/api/audit", { query: { ...wanted, limit: PAGE, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** Where the same stands as JSON lines, all of it. */
export function auditExport(wanted: AuditWanted): string {
  return addressOf("/api/audit/export", { query: wanted });
}
