import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { post } from "@/api/client";
import type { Webhook, WebhookDelivery } from "@/api/types";
import { type DeliveryStatus, deliveriesQuery, webhookQuery } from "@/api/webhookQueries";
import { counted } from "@/format/numbers";
import { moment } from "@/format/times";
import { Scroll, Section } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Listed } from "@/states/Listed";
import { Failure } from "@/states/States";
import { Name, Text } from "@/text/SafeText";
import { endWord, statusIcon } from "./words";

const CHOICES: readonly (DeliveryStatus | undefined)[] = [
  undefined,
  "pending",
  "retrying",
  "delivered",
  "failed",
];

/** What a webhook was told of, with each attempt, and how to have it told again. */
export function DeliveryLog({ webhook }: { webhook: Webhook }) {
  const [status, setStatus] = useState<DeliveryStatus>();
  const pages = useInfiniteQuery(deliveriesQuery(webhook.id, status));
  const queries = useQueryClient();
  const refresh = () => queries.invalidateQueries({ queryKey: webhookQuery(webhook.id).queryKey });
  const path = { webhook_endpoint_id: webhook.id };
  const all = useMutation({
    mutationFn: () => post("/api/webhook_endpoints/{webhook_endpoint_id}/resend", { path }),
    onSuccess: refresh,
  });
  const one = useMutation({
    mutationFn: (delivery_id: string) =>
      post("/api/webhook_endpoints/{webhook_endpoint_id}/deliveries/{delivery_id}/resend", {
        path: { ...path, delivery_id },
      }),
    onSuccess: refresh,
  });
  const isOff = !webhook.evalhaven.enabled;
  const failed = all.error ?? one.error;
  return (
    <Section
      id="deliveries"
      title="Deliveries"
      aside="of the last 30 days"
      end={
        <button
          type="button"
          className="button"
          disabled={isOff || all.isPending}
          onClick={() => all.mutate()}
        >
          <Icon name="again" />
          Resend all failed
        </button>
      }
    >
      <span role="status" className="second">
        {all.data && `${counted(all.data.resent, "event")} sent again.`}
      </span>
      {failed && <Failure error={failed} />}
      <Listed
        pages={pages}
        one="delivery"
        isFiltered={status !== undefined}
        filters={
          <div className="filters">
            <span className="segments">
              {CHOICES.map((each) => (
                <button
                  key={each ?? "all"}
                  type="button"
                  aria-pressed={each === status}
                  onClick={() => setStatus(each)}
                >
                  {each ?? "all"}
                </button>
              ))}
            </span>
          </div>
        }
        empty={<p className="second">Nothing yet: no run has ended that this webhook is told of.</p>}
      >
        {(rows) => (
          <Scroll label="Log">
            <table className="deliveries">
              <thead>
                <tr>
                  <th scope="col">Event</th>
                  <th scope="col">Happened</th>
                  <th scope="col">Status</th>
                  <th scope="col">Attempts</th>
                  <th scope="col">
                    <span className="hidden-text">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {rows.map((each) => (
                  <Row
                    key={each.id}
                    delivery={each}
                    isBusy={isOff || one.isPending}
                    onResend={() => one.mutate(each.id)}
                  />
                ))}
              </tbody>
            </table>
          </Scroll>
        )}
      </Listed>
    </Section>
  );
}

function Row({
  delivery,
  isBusy,
  onResend,
}: {
  delivery: WebhookDelivery;
  isBusy: boolean;
  onResend: () => void;
}) {
  const icon = statusIcon(delivery.status);
  return (
    <tr>
      <th scope="row">
        {endWord(delivery.event.type)}
        <div className="mono second small">{delivery.event.run_id}</div>
        <div className="mono second small">{delivery.id}</div>
      </th>
      <td className="second">{moment(delivery.event.created_at)}</td>
      <td>
        <Icon name={icon} className={icon} /> {delivery.status}
        {delivery.next_attempt_at !== null && delivery.status === "retrying" && (
          <div className="second small">next {moment(delivery.next_attempt_at)}</div>
        )}
        {delivery.problem !== null && (
          <div className="second small">
            <Name text={delivery.problem} />
          </div>
        )}
      </td>
      <td>
        {delivery.attempts.length === 0 ? (
          <span className="second">none yet</span>
        ) : (
          <details>
            <summary>{counted(delivery.attempts.length, "attempt")}</summary>
            <ol className="attempts">
              {delivery.attempts.map((each, number) => (
                <li key={number}>
                  {moment(each.at)}: {each.status_code === null ? "no answer" : each.status_code} in{" "}
                  {each.latency_ms} ms
                  {each.reply !== "" && <Text text={each.reply} />}
                </li>
              ))}
            </ol>
          </details>
        )}
      </td>
      <td className="right">
        <button
          type="button"
          className="button slim"
          disabled={isBusy}
          aria-label={`Resend ${delivery.id}`}
          onClick={onResend}
        >
          Resend
        </button>
      </td>
    </tr>
  );
}
