import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { overviewQuery } from "@/api/evalQueries";
import { renderJson } from "@/api/json";
import { evalQuery, runQuery } from "@/api/queries";
import { Section } from "@/layout/Page";
import { Snippet } from "@/states/Snippet";
import { Failure, Skeleton } from "@/states/States";
import { Name, Text } from "@/text/SafeText";
import { Criterion } from "./Criterion";
import { isObject } from "./loose";
import { repeating } from "./repeating";
import { SchemaTree } from "./SchemaTree";
import { exampleOf, itemSchemaOf } from "./schema";

/** What an eval is: its criteria, the shape of its items, and code that runs it again. */
export function DefinitionPage() {
  const { evalId } = useParams({ from: "/evals/$evalId" });
  const shown = useQuery(evalQuery(evalId)).data;
  if (shown === undefined) return <Skeleton />;
  const criteria: readonly unknown[] = shown.testing_criteria;
  const schema = itemSchemaOf(shown.data_source_config);
  const example = schema === null ? {} : exampleOf(schema);
  return (
    <>
      <Section id="criteria" title="Criteria" aside="an item passes if it passes all of them">
        <div className="definitions">
          {criteria.map((each, place) => (
            <Criterion key={place} criterion={isObject(each) ? each : {}} />
          ))}
        </div>
      </Section>
      <Section id="schema" title="Items" aside="what each of them must look like">
        {schema === null ? (
          <p className="second">
            Items are logged calls.{" "}
            <Name text={`Which ones, the eval says: ${renderJson(shown.data_source_config, 0)}`} />
          </p>
        ) : (
          <div className="columns">
            <SchemaTree schema={schema} />
            <div>
              <h3>Example</h3>
              <Text className="code" text={renderJson({ item: example })} />
            </div>
          </div>
        )}
      </Section>
      <LastRunAgain evalId={evalId} example={example} />
    </>
  );
}

function LastRunAgain({ evalId, example }: { evalId: string; example: unknown }) {
  const overview = useQuery(overviewQuery(evalId));
  const lastId = overview.data?.last_run?.id;
  const last = useQuery({ ...runQuery(lastId ?? ""), enabled: lastId !== undefined });
  if (lastId === undefined) return null;
  const run = last.data;
  return (
    <Section id="again" title="Run it again" aside="the last run once more, as code">
      {last.error && <Failure error={last.error} onRetry={last.refetch} />}
      {run && <Snippet codes={(asking) => repeating(asking, evalId, run, example)} />}
    </Section>
  );
}
