import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { itemQuery } from "@/api/itemQueries";
import { evalQuery, runQuery } from "@/api/queries";
import type { ComparedRun, ComparedSample } from "@/api/types";
import { figure } from "@/format/numbers";
import { type Grade, gradesOf, gradeWords, judgeAnswer, reasonsOf } from "@/pages/item/grades";
import { criteriaOf } from "@/pages/item/useItem";
import { Outcome } from "@/parts/Outcome";
import { Failure } from "@/states/States";
import { Name, Text } from "@/text/SafeText";

type Props = {
  word: "Base" | "New";
  run: ComparedRun;
  sample: ComparedSample | undefined;
  /** The answer with its differences marked; null where it stands elsewhere, undefined where there are none. */
  answer: ReactNode;
};

/** One side of an item: the answer, its grades, and what the judges said. */
export function Side({ word, run, sample, answer }: Props) {
  return (
    <div>
      <div className="row">
        <h4 className="cut">
          {word}: <Name text={run.name || run.run_id} />
        </h4>
        <span className="grow" />
        {sample && (
          <Link
            to="/evals/$evalId/runs/$runId/items/$itemId"
            params={{ evalId: run.eval_id, runId: run.run_id, itemId: sample.id }}
            className="second small"
          >
            Open<span className="hidden-text"> the item of {word.toLowerCase()}</span>
          </Link>
        )}
      </div>
      {sample === undefined ? (
        <p className="no-item">
          <Outcome kind="missing">This run has no such item. It counts in no rate of the comparison.</Outcome>
        </p>
      ) : (
        <>
          {answer === undefined ? <Answer sample={sample} /> : answer}
          {sample.error && (
            <p className="sample-error">
              <Outcome kind="error">
                <span className="mono">{sample.error.code}</span> <Name text={sample.error.message} />
              </Outcome>
            </p>
          )}
          <Grades run={run} sample={sample} />
        </>
      )}
    </div>
  );
}

function Answer({ sample }: { sample: ComparedSample }) {
  if (sample.output_text === null) {
    return (
      <p className="second">{sample.error ? "No answer." : "The answer has no text: open it to see all."}</p>
    );
  }
  return <Text text={sample.output_text} />;
}

function Grades({ run, sample }: { run: ComparedRun; sample: ComparedSample }) {
  const whole = useQuery(itemQuery(run.eval_id, run.run_id, sample.id));
  const own = useQuery(runQuery(run.run_id));
  const parent = useQuery(evalQuery(run.eval_id));
  const { results } = sample;
  if (whole.error) return <Failure error={whole.error} onRetry={whole.refetch} />;
  // Until the item itself is there with the words of its grades, the list's own grades stand in its place.
  if (whole.data === undefined) {
    return (
      <ul className="side-grades">
        {results.map(({ name, passed, score }) => (
          <li key={name}>
            <Outcome kind={passed === null ? "error" : passed ? "pass" : "fail"}>
              <Name text={name} /> <span className="second">{score === null ? "error" : figure(score)}</span>
            </Outcome>
          </li>
        ))}
      </ul>
    );
  }
  const grades = gradesOf(whole.data, criteriaOf(own.data, parent.data?.testing_criteria ?? []));
  return (
    <>
      <ul className="side-grades">
        {grades.map((grade, place) => (
          <li key={place}>
            <Outcome kind={grade.kind}>
              <Name text={grade.name} />{" "}
              <span className="second">
                {grade.kind === "error" ? "error" : grade.score === null ? "" : figure(grade.score)}
              </span>
            </Outcome>
          </li>
        ))}
      </ul>
      {grades.map((grade, place) => (
        <Said key={place} grade={grade} />
      ))}
    </>
  );
}

/** Why a grade is as it is, where somebody said so: its judge, or its error. */
function Said({ grade }: { grade: Grade }) {
  const reasons = reasonsOf(grade).map((step) =>
    [step.description, step.conclusion].filter(Boolean).join("\n"),
  );
  const text = grade.kind === "error" ? gradeWords(grade) : reasons.join("\n") || judgeAnswer(grade);
  if (!text) return null;
  return (
    <div className="said">
      <h4>
        {grade.kind === "error" ? "Error in " : "Judge of "}
        <Name text={grade.name} />
      </h4>
      <Text text={text} className="second" />
    </div>
  );
}
