import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { addressOf, get, post } from "./client";
import type { Project, ProjectLimits } from "./types";

/** Questions about who may do what, and who did what. */

const PAGE = 50;
const PROJECTS_AT_ONCE = 100;

export type AuditWanted = {
  of?: "project" | "organization" | undefined;
  action?: string | undefined;
  caller?: string | undefined;
  target?: string | undefined;
};

export const keysQuery = queryOptions({
  queryKey: ["keys", "project"],
  queryFn: ({ signal }) => get("/api/keys", { signal }),
});

/** The keys of the organization; who may not operate it is refused with 403. */
export const adminKeysQuery = queryOptions({
  queryKey: ["keys", "organization"],
  queryFn: ({ signal }) => get("/api/admin_keys", { signal }),
});

/** What the project may use, and what of it is used. */
export const limitsQuery = queryOptions({
  queryKey: ["limits"],
  queryFn: ({ signal }) => get("/api/limits", { signal }),
});

/** Set one limit of the project; null removes it. */
export function setLimit(name: keyof ProjectLimits, value: number | null) {
  return post("/api/limits", { body: { [name]: value } });
}

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

/** All projects of the organization, archived ones, too. */
export const projectsQuery = queryOptions({
  queryKey: ["projects"],
  queryFn: async ({ signal }) => {
    const found: Project[] = [];
    for (let after: string | undefined; ; after = found.at(-1)?.id) {
      const query = { include_archived: true, limit: PROJECTS_AT_ONCE, after };
      const page = await get("/v1/organization/projects", { query, signal });
      found.push(...page.data);
      if (!page.has_more) return found;
    }
  },
});
