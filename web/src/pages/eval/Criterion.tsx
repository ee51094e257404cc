import type { ReactNode } from "react";
import { renderJson } from "@/api/json";
import { Name, Text } from "@/text/SafeText";
import { isObject, type Loose, textOfContent, wordOf } from "./loose";
import { Template } from "./Template";

const OPERATIONS: Record<string, string> = {
  eq: "equals",
  ne: "differs from",
  like: "contains",
  ilike: "contains, whatever the case,",
};

/** A grader in words: what it compares or asks, and when it passes. */
export function Criterion({ criterion, name }: { criterion: Loose; name?: string }) {
  const type = wordOf(criterion.type);
  return (
    <article className="definition">
      <h3>
        <Name text={name ?? wordOf(criterion.name)} /> <span className="second small">{type}</span>
      </h3>
      <Body criterion={criterion} type={type} />
      <Threshold criterion={criterion} />
    </article>
  );
}

function Body({ criterion, type }: { criterion: Loose; type: string }) {
  switch (type) {
    case "string_check":
      return (
        <>
          <Template text={wordOf(criterion.input)} />
          <p className="second">
            <Name text={OPERATIONS[wordOf(criterion.operation)] ?? wordOf(criterion.operation)} />
          </p>
          <Template text={wordOf(criterion.reference)} />
        </>
      );
    case "text_similarity":
      return (
        <>
          <Template text={wordOf(criterion.input)} />
          <p className="second">
            is as near, by <Name text={wordOf(criterion.evaluation_metric)} />, to
          </p>
          <Template text={wordOf(criterion.reference)} />
        </>
      );
    case "label_model":
    case "score_model":
      return <Judge criterion={criterion} />;
    case "python":
      return <Text className="code" text={wordOf(criterion.source)} />;
    case "multi":
      return <Multi criterion={criterion} />;
    default:
      return <Text className="code" text={renderJson(criterion)} />;
  }
}

function Judge({ criterion }: { criterion: Loose }) {
  const messages = Array.isArray(criterion.input) ? criterion.input : [];
  const passing: unknown[] = Array.isArray(criterion.passing_labels) ? criterion.passing_labels : [];
  const labels: unknown[] = Array.isArray(criterion.labels) ? criterion.labels : [];
  return (
    <>
      <Fact name="Model">
        <span className="mono">
          <Name text={wordOf(criterion.model)} />
        </span>
      </Fact>
      {labels.length > 0 && (
        <Fact name="Labels">
          {labels.map((each, place) => (
            <span key={place} className={passing.includes(each) ? "tag passing" : "tag"}>
              <Name text={wordOf(each)} />
              {passing.includes(each) && " passes"}
            </span>
          ))}
        </Fact>
      )}
      {isObject(criterion.sampling_params) && (
        <Fact name="Sampling">
          <Name text={wordOf(criterion.sampling_params)} />
        </Fact>
      )}
      {messages.map((each: unknown, place) => (
        <div key={place}>
          <p className="second small">
            <Name text={isObject(each) ? wordOf(each.role) : "message"} />
          </p>
          <Template text={textOfContent(isObject(each) ? each.content : each)} />
        </div>
      ))}
    </>
  );
}

function Multi({ criterion }: { criterion: Loose }) {
  const { graders } = criterion;
  const parts: [string, unknown][] = Array.isArray(graders)
    ? graders.map((each: unknown) => [isObject(each) ? wordOf(each.name) : "", each])
    : isObject(graders) && typeof graders.type !== "string"
      ? Object.entries(graders)
      : [[isObject(graders) ? wordOf(graders.name) : "", graders]];
  return (
    <>
      <Fact name="Score">
        <span className="mono">
          <Name text={wordOf(criterion.calculate_output)} />
        </span>
      </Fact>
      <div className="definitions inner">
        {parts.map(([name, each], place) => (
          <Criterion key={place} name={name} criterion={isObject(each) ? each : {}} />
        ))}
      </div>
    </>
  );
}

function Threshold({ criterion }: { criterion: Loose }) {
  const { pass_threshold: threshold, range } = criterion;
  if (typeof threshold !== "number" && !Array.isArray(range)) return null;
  return (
    <Fact name="Passes">
      {typeof threshold === "number" ? `from ${threshold} on` : "as the grader says"}
      {Array.isArray(range) && `, on a scale from ${wordOf(range[0])} to ${wordOf(range[1])}`}
    </Fact>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <p className="definition-fact">
      <span className="second">{name}</span> {children}
    </p>
  );
}
