import type { Webhook, WebhookDelivery } from "@/api/types";
import type { IconName } from "@/parts/Icon";

/** The ends of runs that can be told. */
export const ENDS = ["eval.run.succeeded", "eval.run.failed", "eval.run.canceled"] as const;
export type End = (typeof ENDS)[number];

export const FORMATS = { standard: "Events", slack: "Slack message", teams: "Teams message" } as const;
export type Format = keyof typeof FORMATS;

export function formatWord(format: string): string {
  return FORMATS[format as Format] ?? format;
}

export function endWord(type: string): string {
  return type.replace(/^eval\.run\./, "");
}

export function endsOf(webhook: Webhook): string {
  return webhook.event_types.map(endWord).join(", ");
}

export function stateIcon(state: string): IconName {
  return state === "ok" ? "pass" : state === "off" ? "missing" : "error";
}

export function statusIcon(status: WebhookDelivery["status"]): IconName {
  return status === "delivered" ? "pass" : status === "failed" ? "fail" : "again";
}
