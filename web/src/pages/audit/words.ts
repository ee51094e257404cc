import { moment } from "@/format/times";

/** Kinds of what is changed, for the filter; the part of an action before its dot. */
export const KINDS = {
  key: "keys",
  project: "projects",
  service_account: "service accounts",
  person: "people",
  member: "members",
  session: "logins",
  webhook: "webhooks",
  limits: "limits",
  retention: "retention",
  eval: "evals",
  run: "runs",
  file: "files",
  call: "logged calls",
} as const;
export type Kind = keyof typeof KINDS;

const ACTIONS: Record<string, string> = {
  "key.created": "created a key",
  "key.changed": "changed a key",
  "key.revoked": "revoked a key",
  "project.created": "created a project",
  "project.renamed": "renamed a project",
  "project.archived": "archived a project",
  "service_account.created": "created a service account",
  "service_account.changed": "changed a service account",
  "service_account.deleted": "deleted a service account",
  "person.created": "logged in for the first time",
  "member.added": "added a member",
  "member.changed": "changed a member",
  "member.removed": "removed a member",
  "session.created": "logged in",
  "session.ended": "logged out",
  "session.refused": "could not log in",
  "webhook.created": "created a webhook",
  "webhook.changed": "changed a webhook",
  "webhook.rotated": "replaced the secret of a webhook",
  "webhook.deleted": "deleted a webhook",
  "limits.set": "set limits",
  "retention.set": "set the retention of logged calls",
  "eval.deleted": "deleted an eval",
  "eval.imported": "imported evals",
  "run.deleted": "deleted a run",
  "run.imported": "imported runs",
  "file.deleted": "deleted a file",
  "file.imported": "imported a file",
  "call.deleted": "deleted a logged call",
  "call.imported": "imported logged calls",
};

/** Return what was done in words; an action of a newer server as it is called. */
export function actionWords(action: string): string {
  return ACTIONS[action] ?? action.replace(/[._]/g, " ");
}

/** Return the details of an entry as pairs that can be read; what says nothing is left out. */
export function detailsOf(details: Record<string, unknown>): [string, string][] {
  return Object.entries(details)
    .filter(([name, value]) => name !== "name" && value !== null && value !== undefined)
    .map(([name, value]) => [name.replaceAll("_", " "), shown(name, value)]);
}

function shown(name: string, value: unknown): string {
  if (Array.isArray(value)) return value.map((each) => shown(name, each)).join(", ");
  if (typeof value === "number" && name.endsWith("_at")) return moment(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
