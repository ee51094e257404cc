import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Webhook } from "@/api/types";
import { webhooksQuery } from "@/api/webhookQueries";
import { counted } from "@/format/numbers";
import { ago } from "@/format/times";
import { Page, PageHead, Scroll } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { CreateWebhook } from "./CreateWebhook";
import { NoWebhooks } from "./NoWebhooks";
import { endsOf, formatWord, stateIcon } from "./words";

/** Who is told when runs end. */
export function WebhooksPage() {
  const webhooks = useQuery(webhooksQuery);
  const found = webhooks.data?.data;
  const failing = found?.filter((each) => each.evalhaven.state === "failing").length ?? 0;
  return (
    <Page crumbs={[{ name: "Webhooks" }]}>
      <PageHead
        title="Webhooks"
        facts={
          found && (
            <>
              <span>{counted(found.length, "webhook")}</span>
              {failing > 0 && <span>{failing} failing</span>}
            </>
          )
        }
        actions={<CreateWebhook />}
      />
      {webhooks.error && (
        <Failure
          error={webhooks.error}
          onRetry={webhooks.refetch}
          staleSince={found && webhooks.dataUpdatedAt}
        />
      )}
      {webhooks.isPending && <Skeleton />}
      {found?.length === 0 && <NoWebhooks />}
      {found !== undefined && found.length > 0 && <WebhookTable webhooks={found} />}
    </Page>
  );
}

function WebhookTable({ webhooks }: { webhooks: readonly Webhook[] }) {
  return (
    <Scroll label="Webhooks">
      <table className="webhooks">
        <thead>
          <tr>
            <th scope="col">Webhook</th>
            <th scope="col">State</th>
            <th scope="col">Sends</th>
            <th scope="col">Told when a run has</th>
            <th scope="col">Address</th>
            <th scope="col" className="right">
              Last arrival
            </th>
          </tr>
        </thead>
        <tbody>
          {webhooks.map((each) => (
            <tr key={each.id}>
              <th scope="row">
                <Link to="/webhooks/$webhookId" params={{ webhookId: each.id }}>
                  <Name text={each.name} />
                </Link>
              </th>
              <td>
                <State state={each.evalhaven.state} />
              </td>
              <td>{formatWord(each.evalhaven.format)}</td>
              <td>{endsOf(each)}</td>
              <td className="mono c-address">
                <Name text={each.url} />
              </td>
              <td className="right second">
                {each.evalhaven.last_delivered_at === null ? "–" : ago(each.evalhaven.last_delivered_at)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

export function State({ state }: { state: string }) {
  const icon = stateIcon(state);
  return (
    <>
      <Icon name={icon} className={icon} /> {state}
    </>
  );
}
