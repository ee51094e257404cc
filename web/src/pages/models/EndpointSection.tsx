import type { EndpointOverview } from "@/api/types";
import { count } from "@/format/numbers";
import { ago, duration } from "@/format/times";
import { Section } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";
import { ExamineButton, Findings, useExamination } from "./Examination";
import { Prices } from "./Prices";
import { RecentCalls } from "./RecentCalls";

/** An endpoint: how it did lately, what limits its calls, which models it serves and what they cost. */
export function EndpointSection({ endpoint }: { endpoint: EndpointOverview }) {
  const { limits } = endpoint;
  const examination = useExamination(endpoint.name);
  return (
    <Section
      id={`endpoint-${endpoint.name}`}
      title={endpoint.name}
      aside={
        <>
          <Place endpoint={endpoint} />
          {" · "}
          {endpoint.protocols.includes("item") ? "an application" : endpoint.protocols.join(" and ")}
        </>
      }
      end={<ExamineButton examination={examination} endpoint={endpoint.name} />}
    >
      <Findings examination={examination} endpoint={endpoint.name} />
      <dl className="facts">
        <div>
          <dt>State</dt>
          <dd>
            <State endpoint={endpoint} />
          </dd>
        </div>
        <div>
          <dt>Key</dt>
          <dd>
            <Key endpoint={endpoint} />
          </dd>
        </div>
        <div>
          <dt>Calls at once, each model</dt>
          <dd>
            {count(limits.max_concurrency)}
            <small>begins with {count(limits.start_concurrency)}</small>
          </dd>
        </div>
        <div>
          <dt>Requests a minute</dt>
          <dd>{most(limits.requests_per_minute)}</dd>
        </div>
        <div>
          <dt>Tokens a minute</dt>
          <dd>{most(limits.tokens_per_minute)}</dd>
        </div>
        <div>
          <dt>One attempt</dt>
          <dd>
            {duration(limits.timeout_s)}
            <small>failing calls are retried for {duration(limits.retry_for_s)}</small>
          </dd>
        </div>
      </dl>
      <Served endpoint={endpoint} />
      <div className="columns two">
        <Prices endpoint={endpoint} />
        <RecentCalls endpoint={endpoint} />
      </div>
    </Section>
  );
}

function Place({ endpoint }: { endpoint: EndpointOverview }) {
  if (endpoint.scripted) return <>answers by rules, without a network</>;
  if (endpoint.program === null) return <Name text={endpoint.base_url} />;
  return (
    <>
      starts <Name text={endpoint.program} /> for each call
    </>
  );
}

/** Whether a key is sent; the key itself never leaves the server. */
function Key({ endpoint }: { endpoint: EndpointOverview }) {
  if (endpoint.scripted || endpoint.program !== null) {
    return (
      <>
        None<small>it needs none</small>
      </>
    );
  }
  return endpoint.api_key === null ? (
    <>
      None<small>no key is configured</small>
    </>
  ) : (
    <>
      <span className="mono">{endpoint.api_key}</span>
      <small>is sent with each call</small>
    </>
  );
}

function most(limit: number | null): string {
  return limit === null ? "no limit" : count(limit);
}

/** What the newest run that asked it found; nobody is called to show this. */
function State({ endpoint }: { endpoint: EndpointOverview }) {
  const [last] = endpoint.seen;
  if (last === undefined) {
    return (
      <>
        Not known<small>none of the last 100 runs asked it</small>
      </>
    );
  }
  if (last.reachable) {
    return (
      <>
        Reached<small>by a run, {ago(last.at)}</small>
      </>
    );
  }
  return (
    <>
      <Icon name="error" className="error" />
      Out of reach
      <small>
        <Name text={String(last.unreachable?.reason ?? "no reason given")} />
      </small>
    </>
  );
}

function Served({ endpoint }: { endpoint: EndpointOverview }) {
  const aliases = Object.entries(endpoint.aliases);
  return (
    <dl className="served">
      <div>
        <dt>Models</dt>
        <dd className="tags">
          {endpoint.models.map((each) => (
            <span key={each} className="tag mono">
              <Name text={each} />
            </span>
          ))}
        </dd>
      </div>
      {aliases.length > 0 && (
        <div>
          <dt>Aliases</dt>
          <dd className="tags">
            {aliases.map(([alias, model]) => (
              <span key={alias} className="tag mono">
                <Name text={alias} /> → <Name text={model} />
              </span>
            ))}
          </dd>
        </div>
      )}
    </dl>
  );
}
