import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { get } from "./client";
import { LIST_POLL_MS } from "./queries";
import type { WebhookDelivery } from "./types";

/** Questions for who is told when runs end, and for what became of it. */

const MOST = 100;
const PAGE = 50;

/** All webhooks, since a project has few. */
export const webhooksQuery = queryOptions({
  queryKey: ["webhooks"],
  queryFn: ({ signal }) => get("/v1/webhook_endpoints", { query: { limit: MOST }, signal }),
});

export function webhookQuery(id: string) {
  return queryOptions({
    queryKey: ["webhooks", id],
    queryFn: ({ signal }) =>
      get("/v1/webhook_endpoints/{webhook_endpoint_id}", { path: { webhook_endpoint_id: id }, signal }),
    refetchInterval: LIST_POLL_MS,
  });
}

export type DeliveryStatus = WebhookDelivery["status"];

/** What a webhook was told of, newest event first, page by page; asked again while anything is still to arrive. */
export function deliveriesQuery(id: string, status: DeliveryStatus | undefined) {
  return infiniteQueryOptions({
    queryKey: ["webhooks", id, "deliveries", status],
    queryFn: ({ pageParam, signal }) =>
      get("/api/webhook_endpoints/{webhook_endpoint_id}/deliveries", {
        path: { webhook_endpoint_id: id },
        query: { limit: PAGE, after: pageParam, status },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => (page.has_more ? (page.last_id ?? undefined) : undefined),
    refetchInterval: LIST_POLL_MS,
  });
}
