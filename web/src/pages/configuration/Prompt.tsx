import { renderJson } from "@/api/json";
import type { RunById } from "@/api/types";
import { Section } from "@/layout/Page";
import { Template } from "@/pages/eval/Template";
import { Name, Text } from "@/text/SafeText";
import { messagesOf, referenceOf, toldBesideOf } from "./setup";

/** What the model is told: the messages with what is filled in, tools, and the form of the answer. */
export function Prompt({ run }: { run: RunById }) {
  const messages = messagesOf(run);
  const reference = referenceOf(run);
  if (messages === null && reference === null) return null;
  return (
    <Section id="prompt" title="Prompt" aside="marked: filled in from each item">
      {reference !== null && (
        <p>
          Each item brings its messages along, as{" "}
          <code>
            <Name text={reference} />
          </code>
          .
        </p>
      )}
      {messages?.map(({ role, text }, place) => (
        <div key={place} className="setup-message">
          <p className="second small">
            <Name text={role} />
          </p>
          <Template text={text} />
        </div>
      ))}
      {toldBesideOf(run).map(([name, value]) => (
        <details key={name} className="setup-more">
          <summary>
            <Name text={name.replaceAll("_", " ")} />
          </summary>
          <Text className="code" text={renderJson(value)} />
        </details>
      ))}
    </Section>
  );
}
