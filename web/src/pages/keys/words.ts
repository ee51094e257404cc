import type { ApiKey } from "@/api/types";
import { count } from "@/format/numbers";

/** What each role allows, and what a key that is made for it can do. */
export const ROLES = {
  viewer: { scopes: ["read"], words: "sees evals, runs, files, logged calls and reports" },
  editor: { scopes: ["read", "write", "models"], words: "also makes and deletes them, and calls models" },
  admin: {
    scopes: ["read", "write", "models", "manage"],
    words: "also manages keys, members and webhooks of this project, and sees its audit log",
  },
} as const;
export type Role = keyof typeof ROLES;

/** What a scope allows, for whoever picks them one by one. */
export const SCOPES = {
  read: "see evals, runs, files, logged calls and reports",
  write: "make, change, execute and delete evals, runs and files",
  models: "call models through the gateway",
  manage: "manage keys, members and webhooks, and see the audit log",
} as const;
export type Scope = keyof typeof SCOPES;

/** Return what a key allows: the role that stands for it, else its scopes. */
export function allowed(key: ApiKey): string {
  if (key.project === null) return "everything";
  const role = (Object.keys(ROLES) as Role[]).find((each) => isSame(ROLES[each].scopes, key.scopes));
  return role ?? key.scopes.join(", ");
}

/** Return how many requests a minute a key may make. */
export function limitOf(key: ApiKey): string {
  if (key.requests_per_minute !== null) return count(key.requests_per_minute);
  return key.project === null ? "no limit" : "as the project";
}

/** The field of that number. */
export const REQUESTS = {
  name: "requests_per_minute",
  label: "Requests a minute",
  units: { requests: 1 },
  hint: "Further ones are refused with 429, and told how long to wait. Without it, only the project's limit holds.",
} as const;

export type KeyState = "valid" | "revoked" | "expired";

export function stateOf(key: ApiKey, now = Date.now() / 1000): KeyState {
  if (key.revoked_at !== null) return "revoked";
  return key.expires_at !== null && key.expires_at <= now ? "expired" : "valid";
}

function isSame(wanted: readonly string[], scopes: readonly string[]): boolean {
  return wanted.length === scopes.length && wanted.every((each) => scopes.includes(each));
}

const DAY_S = 86_400;

/** For how long a key lasts, as a form offers it. */
export const LIFETIMES = {
  never: ["never", null],
  month: ["in 30 days", 30 * DAY_S],
  quarter: ["in 90 days", 90 * DAY_S],
  year: ["in a year", 365 * DAY_S],
} as const;
export type Lifetime = keyof typeof LIFETIMES;

/** Return the Unix second from which on a key is refused; undefined for one that never is. */
export function expiryOf(lifetime: Lifetime): number | undefined {
  const [, lasts] = LIFETIMES[lifetime];
  return lasts === null ? undefined : Math.floor(Date.now() / 1000) + lasts;
}
