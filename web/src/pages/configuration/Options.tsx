import { extensionOf } from "@/api/extension";
import type { RunById } from "@/api/types";
import { count, dollars } from "@/format/numbers";
import { Section } from "@/layout/Page";
import { isObject, wordOf } from "@/pages/eval/loose";
import { flowsOf } from "@/pages/run/limiter";
import { Name } from "@/text/SafeText";
import { Fact, Facts } from "./Fact";
import { isSampled, parametersOf } from "./setup";

/** Which model answers, where it is asked, and with which parameters. */
export function Model({ run }: { run: RunById }) {
  const { regraded, limiter } = extensionOf(run);
  const [own] = flowsOf(limiter);
  return (
    <Section id="model" title="Model">
      {!isSampled(run) && (
        <p>
          {regraded
            ? "No model was asked: the answers are those of another run."
            : "No model was asked: each row brings its answer along."}
        </p>
      )}
      {run.model !== "" && (
        <Facts>
          <Fact name="model">
            <span className="mono">
              <Name text={run.model} />
            </span>
          </Fact>
          {isSampled(run) && own?.endpoint !== undefined && (
            <Fact name="endpoint">
              <Name text={own.endpoint} />
            </Fact>
          )}
          {isSampled(run) && (
            <Fact name="API">{run.data_source.type === "responses" ? "Responses" : "chat completions"}</Fact>
          )}
          {parametersOf(run).map(([name, value]) => (
            <Fact key={name} name={name.replaceAll("_", " ")}>
              <Name text={value} />
            </Fact>
          ))}
        </Facts>
      )}
    </Section>
  );
}

/** How the run was executed: repeats, limits, what guards it. Each value is the one that held. */
export function Options({ run }: { run: RunById }) {
  const told = extensionOf(run);
  if (told.repeats === undefined) return null;
  const { budget, labels = [], extra_body: extra } = told;
  const judges = flowsOf(told.limiter).slice(1);
  const hasCalls = told.limiter != null || isSampled(run);
  const tier = isObject(told.sandbox) ? wordOf(told.sandbox.tier) : "";
  return (
    <Section id="options" title="Execution">
      <Facts>
        <Fact name="samples of each item">{count(told.repeats)}</Fact>
        {hasCalls && (
          <>
            <Fact name="answers given before">{told.cache ? "taken again" : "asked for anew"}</Fact>
            <Fact name="calls at once">
              {told.max_concurrency == null
                ? "as the endpoint allows"
                : `at most ${count(told.max_concurrency)}`}
            </Fact>
            <Fact name="budget">
              {budget == null
                ? "none"
                : [
                    budget.cost != null && dollars(budget.cost),
                    budget.tokens != null && `${count(budget.tokens)} tokens`,
                  ]
                    .filter(Boolean)
                    .join(" or ")}
            </Fact>
          </>
        )}
        {told.strict && <Fact name="warnings">refused (strict)</Fact>}
        {judges.map((judge, place) => (
          <Fact
            key={place}
            name={judge.criterion === undefined ? "embeddings" : `judge of ${judge.criterion}`}
          >
            <Name text={judge.endpoint ?? ""} />
          </Fact>
        ))}
        {tier !== "" && (
          <Fact name="python graders">
            <Name text={`isolated by ${tier}`} />
          </Fact>
        )}
        {extra != null && (
          <Fact name="further keys of requests">
            <span className="mono">
              <Name text={wordOf(extra)} />
            </span>
          </Fact>
        )}
        {labels.length > 0 && (
          <Fact name="labels">
            <Tags texts={labels} />
          </Fact>
        )}
      </Facts>
    </Section>
  );
}

/** What the user noted with the run. */
export function Metadata({ run }: { run: RunById }) {
  const pairs = Object.entries(run.metadata ?? {});
  return (
    <Section id="metadata" title="Metadata">
      {pairs.length === 0 && <p className="second">None was sent.</p>}
      <Facts>
        {pairs.map(([key, value]) => (
          <Fact key={key} name={key}>
            <Name text={wordOf(value)} />
          </Fact>
        ))}
      </Facts>
    </Section>
  );
}

function Tags({ texts }: { texts: readonly string[] }) {
  return (
    <span className="tags">
      {texts.map((each, place) => (
        <span key={place} className="tag">
          <Name text={each} />
        </span>
      ))}
    </span>
  );
}
