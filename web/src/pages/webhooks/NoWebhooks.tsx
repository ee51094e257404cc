import { type Asking, Snippet } from "@/states/Snippet";
import { Empty } from "@/states/States";

/** What a webhook is for, and how a program makes one. */
export function NoWebhooks() {
  return (
    <Empty title="Nobody is told when a run ends" snippet={<Snippet codes={codes} />}>
      <p>
        A webhook tells your own service, Slack or Microsoft Teams that a run has succeeded, failed or been
        canceled. What it sends is signed, tried for 72 hours, and kept in a log for 30 days.
      </p>
    </Empty>
  );
}

function codes({ client }: Asking): Record<string, string> {
  return {
    Python: `from openai import OpenAI

${client}
webhook = client.webhooks.create(
    name="CI",
    url="https://ci.example.org/evals",
    event_types=["eval.run.succeeded", "eval.run.failed"],
)
print(webhook.signing_secret)`,
    Shell: "evalhaven webhooks create https://ci.example.org/evals --name CI",
  };
}
