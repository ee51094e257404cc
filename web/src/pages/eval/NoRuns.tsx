import { useQuery } from "@tanstack/react-query";
import { modelsQuery, servedModel } from "@/api/modelQueries";
import { evalQuery } from "@/api/queries";
import type { Eval } from "@/api/types";
import { counted } from "@/format/numbers";
import { Snippet } from "@/states/Snippet";
import { Empty, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { firstSource } from "./firstRun";
import { isObject, wordOf } from "./loose";
import { runCodes } from "./repeating";

const NAMED = 2;

/** The first run of an eval: code that fits its items and its criteria. */
export function NoRuns({ evalId }: { evalId: string }) {
  const parent = useQuery(evalQuery(evalId)).data;
  const endpoints = useQuery(modelsQuery).data?.data;
  if (parent === undefined || endpoints === undefined) return <Skeleton />;
  const source = firstSource(parent, servedModel(endpoints));
  return (
    <Empty
      title="No runs yet"
      snippet={<Snippet codes={(asking) => runCodes(asking, evalId, "First", source)} />}
    >
      <p>
        A run {source.type === "jsonl" ? "takes each item" : "takes each item, with the model's answer,"} and
        judges it by <CriteriaNames parent={parent} />. Put your items into the code beside, or upload them as
        lines of JSON, each <code>{'{"item": {…}}'}</code>, and name the file:{" "}
        <code>{'"source": {"type": "file_id", "id": "file-…"}'}</code>.
      </p>
    </Empty>
  );
}

function CriteriaNames({ parent }: { parent: Eval }) {
  const criteria: readonly unknown[] = parent.testing_criteria;
  const names = criteria.slice(0, NAMED).map((each) => (isObject(each) ? wordOf(each.name) : ""));
  const more = criteria.length - names.length;
  return (
    <>
      {names.map((name, place) => (
        <span key={place}>
          {place > 0 && (more > 0 ? ", " : " and ")}“<Name text={name} />”
        </span>
      ))}
      {more > 0 && ` and ${counted(more, "other")}`}
    </>
  );
}
