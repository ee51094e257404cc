import type { ReactNode } from "react";
import { counted } from "@/format/numbers";
import { Section } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Name, Text } from "@/text/SafeText";
import { type Message, messagesOf, type Part } from "./contents";
import { Picture } from "./Picture";

const ROLES: Record<string, string> = {
  system: "System",
  developer: "Developer",
  user: "User",
  assistant: "Assistant",
  tool: "Tool result",
  function: "Tool result",
};

type Props = {
  input: readonly unknown[];
  output: readonly unknown[];
  /** What the last answer's text is replaced with, because it stands below on its own. */
  belowWords?: ReactNode;
};

/** What a model was sent and answered, by roles, with tools, images and reasoning. */
export function Conversation({ input, output, belowWords }: Props) {
  const sent = messagesOf(input);
  const answered = messagesOf(output);
  const last = answered.findLastIndex((message) => message.parts.some((part) => part.kind === "text"));
  return (
    <Section id="conversation" title="Conversation" aside={counted(sent.length + answered.length, "message")}>
      <div className="messages">
        {sent.map((message, place) => (
          <MessageRow key={place} message={message} />
        ))}
        {answered.map((message, place) => (
          <MessageRow
            key={`answer ${place}`}
            message={message}
            {...(place === last && belowWords !== undefined && { belowWords })}
          />
        ))}
        {answered.length === 0 && belowWords !== undefined && (
          <div className="message">
            <div className="role">Assistant</div>
            <div>{belowWords}</div>
          </div>
        )}
      </div>
    </Section>
  );
}

/** Messages alone, such as a judge's prompt. */
export function Messages({ messages }: { messages: readonly unknown[] }) {
  return (
    <div className="messages code">
      {messagesOf(messages).map((message, place) => (
        <div key={place} className="judged-message">
          <h3>
            <Role message={message} />
          </h3>
          {message.parts.map((part, at) => (
            <ShownPart key={at} part={part} />
          ))}
        </div>
      ))}
    </div>
  );
}

function Role({ message }: { message: Message }) {
  return (
    <>
      {ROLES[message.role] ?? <Name text={message.role} />}
      {message.name !== "" && (
        <span className="third">
          {" "}
          <Name text={message.name} />
        </span>
      )}
    </>
  );
}

function MessageRow({ message, belowWords }: { message: Message; belowWords?: ReactNode }) {
  const parts =
    belowWords === undefined ? message.parts : message.parts.filter((part) => part.kind !== "text");
  const isQuiet = message.role === "system" || message.role === "developer";
  return (
    <div className={isQuiet ? "message quiet" : "message"}>
      <div className="role">
        <Role message={message} />
      </div>
      <div className="message-parts">
        {parts.map((part, place) => (
          <ShownPart key={place} part={part} />
        ))}
        {belowWords}
        {parts.length === 0 && belowWords === undefined && <span className="third">(empty)</span>}
      </div>
    </div>
  );
}

function ShownPart({ part }: { part: Part }) {
  switch (part.kind) {
    case "text":
      return <Text text={part.text} />;
    case "refusal":
      return (
        <div>
          <span className="tag">refusal</span>
          <Text text={part.text} />
        </div>
      );
    case "reasoning":
      return (
        <details className="reasoning">
          <summary>
            <Icon name="right" />
            Reasoning
          </summary>
          <Text text={part.text} className="second" />
        </details>
      );
    case "image":
      return <Picture source={part.source} />;
    case "media":
      return (
        <span className="second">
          <Icon name="files" /> {part.what} {part.name !== "" && <Name text={part.name} />}
        </span>
      );
    case "call":
      return (
        <div className="code">
          <Name text={part.name} />(<Text text={part.input} className="in-line" />){" "}
          {part.id !== "" && (
            <span className="third">
              <Name text={part.id} />
            </span>
          )}
        </div>
      );
    case "json":
      return <Text text={part.text} className="code" />;
  }
}
