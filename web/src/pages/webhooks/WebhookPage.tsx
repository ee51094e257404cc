import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import type { Webhook } from "@/api/types";
import { webhookQuery } from "@/api/webhookQueries";
import { ago, moment } from "@/format/times";
import { Page, PageHead } from "@/layout/Page";
import { Failure, Notice, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { DeliveryLog } from "./DeliveryLog";
import { WebhookActions } from "./WebhookActions";
import { State } from "./WebhooksPage";
import { endsOf, formatWord } from "./words";

/** One webhook: how it fares, what can be done with it, and what it was told of. */
export function WebhookPage() {
  const { webhookId } = useParams({ from: "/webhooks/$webhookId" });
  const webhook = useQuery(webhookQuery(webhookId));
  const found = webhook.data;
  const name = found?.name ?? webhookId;
  return (
    <Page crumbs={[{ name: "Webhooks", to: "/webhooks" }, { name }]}>
      <PageHead
        title={name}
        facts={found && <Facts webhook={found} />}
        actions={found && <WebhookActions webhook={found} />}
      />
      {webhook.error && (
        <Failure
          error={webhook.error}
          onRetry={webhook.refetch}
          staleSince={found && webhook.dataUpdatedAt}
        />
      )}
      {webhook.isPending && <Skeleton />}
      {found && (
        <>
          <Findings webhook={found} />
          <DeliveryLog webhook={found} />
        </>
      )}
    </Page>
  );
}

function Facts({ webhook }: { webhook: Webhook }) {
  const more = webhook.evalhaven;
  return (
    <>
      <span>
        <State state={more.state} />
      </span>
      <span>{formatWord(more.format)}</span>
      <span>when a run has {endsOf(webhook)}</span>
      <span className="mono">
        <Name text={webhook.url} />
      </span>
      <span>secret {webhook.signing_secret_hint}</span>
      {more.last_delivered_at !== null && <span>last arrival {ago(more.last_delivered_at)}</span>}
    </>
  );
}

function Findings({ webhook }: { webhook: Webhook }) {
  const more = webhook.evalhaven;
  return (
    <>
      {more.state === "off" && (
        <Notice>
          <b>This webhook is off and is told of nothing.</b>{" "}
          {more.off_reason === "gone" &&
            "It answered 410 Gone. Turn it on once its receiver is back; what it missed can be sent again below."}
        </Notice>
      )}
      {more.state !== "off" && more.failing_since !== null && (
        <Notice>
          <b>Nothing has arrived since {moment(more.failing_since)}.</b> The last attempt failed:{" "}
          <Name text={more.problem ?? ""} />. Events are tried again for 72 hours.
        </Notice>
      )}
      {more.old_secret_until !== null && (
        <Notice>The secret before signs, too, until {moment(more.old_secret_until)}.</Notice>
      )}
      {more.warnings.map((each) => (
        <Notice key={each.message}>
          <Name text={each.message} />
        </Notice>
      ))}
    </>
  );
}
