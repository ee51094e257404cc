import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { addressOf } from "@/api/client";
import { renderJson } from "@/api/json";
import type { LoggedCall } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { duration, moment } from "@/format/times";
import { Section } from "@/layout/Page";
import { Conversation } from "@/pages/item/Conversation";
import { Raw } from "@/pages/item/Raw";
import { Icon } from "@/parts/Icon";
import { Notice } from "@/states/States";
import { Name, Text } from "@/text/SafeText";
import { answeredOf, endOf, errorOf, parametersOf, sentOf, toolParts, toolsOf, usageOf } from "./callParts";
import { KINDS } from "./search";

/** Everything about a call, the same beside the list and on a page of its own. */
export function CallView({ call }: { call: LoggedCall }) {
  const error = errorOf(call);
  const previous = call.request.previous_response_id;
  return (
    <>
      {call.pending && <Notice>This call is still on its way to the store: no run can read it yet.</Notice>}
      {error !== "" && (
        <div className="notice error">
          <Icon name="error" className="error" />
          <div>
            <b>
              <Name text={error} />
            </b>
          </div>
        </div>
      )}
      <Facts call={call} />
      {typeof previous === "string" && (
        <p className="call-previous">
          Goes on from{" "}
          <Link to="/logs/$callId" params={{ callId: previous }} className="mono">
            <Name text={previous} />
          </Link>
          , whose messages the model saw before these.
        </p>
      )}
      <Conversation input={sentOf(call)} output={answeredOf(call)} />
      <Pairs id="call-metadata" title="Metadata" pairs={Object.entries(call.metadata)} none="(no metadata)" />
      <Pairs
        id="call-parameters"
        title="Parameters"
        pairs={parametersOf(call)}
        none="(none beside model and messages)"
      />
      <Tools call={call} />
      <Pairs
        id="call-usage"
        title="Usage"
        pairs={usageOf(call).map(([name, value]) => [name, count(value)])}
        none="(not told)"
      />
      <Raw
        value={{ request: call.request, reply: call.reply }}
        address={addressOf("/api/logs/calls/{call_id}", { path: { call_id: call.id } })}
        fileName={`${call.id}.json`}
      />
    </>
  );
}

function Facts({ call }: { call: LoggedCall }) {
  const end = endOf(call.finish_reason);
  const first = call.first_byte_ms;
  return (
    <dl className="call-facts">
      <Fact name="Model">
        <Name text={call.model} />
        {call.asked_model !== call.model && (
          <span className="second">
            asked for <Name text={call.asked_model} />
          </span>
        )}
      </Fact>
      <Fact name="API">{KINDS[call.kind]}</Fact>
      <Fact name="Made">{moment(call.created_at)}</Fact>
      <Fact name="Took">
        {call.latency_ms === null ? "–" : duration(call.latency_ms / 1000)}
        {first !== null && <span className="second">first byte {duration(first / 1000)}</span>}
      </Fact>
      <Fact name="Tokens">
        {call.prompt_tokens === null ? "–" : `${count(call.prompt_tokens)} in`}
        {call.completion_tokens !== null && (
          <span className="second">{count(call.completion_tokens)} out</span>
        )}
      </Fact>
      <Fact name="Ended">
        <span className={end.isWhole ? undefined : "cut-short"}>
          <Name text={end.words} />
        </span>
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

type PairsProps = { id: string; title: string; pairs: readonly (readonly [string, unknown])[]; none: string };

/** Names with their values, as users and programs wrote them. */
function Pairs({ id, title, pairs, none }: PairsProps) {
  return (
    <Section id={id} title={title}>
      <div className="messages pairs">
        {pairs.map(([name, value]) => (
          <div key={name} className="message">
            <div className="role">
              <Name text={name} />
            </div>
            <Text
              text={typeof value === "string" ? value : renderJson(value)}
              className={typeof value === "object" ? "code" : ""}
            />
          </div>
        ))}
        {pairs.length === 0 && <p className="third">{none}</p>}
      </div>
    </Section>
  );
}

function Tools({ call }: { call: LoggedCall }) {
  const tools = toolsOf(call).map(toolParts);
  if (tools.length === 0) return null;
  return (
    <details className="section part">
      <summary>
        <h2>Tools</h2>
        <span className="second small">{counted(tools.length, "tool")} offered</span>
      </summary>
      <div className="messages">
        {tools.map((tool, place) => (
          <div key={place} className="message">
            <div className="role">
              <Name text={tool.name} />
            </div>
            <div className="message-parts">
              {tool.description !== "" && <Text text={tool.description} />}
              <Text text={renderJson(tool.parameters)} className="code" />
            </div>
          </div>
        ))}
      </div>
    </details>
  );
}
