import { scaleLinear } from "d3-scale";
import { type ReactNode, useId } from "react";
import { renderJson } from "@/api/json";
import { counted, figure } from "@/format/numbers";
import { Section } from "@/layout/Page";
import { Icon } from "@/parts/Icon";
import { Outcome } from "@/parts/Outcome";
import { Name, Text } from "@/text/SafeText";
import { Messages } from "./Conversation";
import { isObject } from "./contents";
import { type Grade, gradeWords, judgeAnswer, rangeOf, reasonsOf, thresholdOf } from "./grades";
import { usageWords } from "./usage";

/** What each criterion said, and for judges everything that led to it. */
export function Grades({ grades }: { grades: readonly Grade[] }) {
  return (
    <Section id="grades" title="Grades" aside={summaryOf(grades)}>
      {grades.length === 0 && (
        <p className="second">Nothing was graded: the item ended in an error before.</p>
      )}
      <div className="grades">
        {grades.map((grade, place) => (
          <GradeRow key={place} grade={grade} />
        ))}
      </div>
    </Section>
  );
}

function summaryOf(grades: readonly Grade[]): string {
  const of = (kind: string) => grades.filter((grade) => grade.kind === kind).length;
  const errors = of("error");
  const words = [
    of("pass") > 0 && `${of("pass")} passed`,
    of("fail") > 0 && `${of("fail")} failed`,
    errors > 0 && `${counted(errors, "error")}, in no rate`,
  ];
  return words.filter(Boolean).join(", ");
}

function GradeRow({ grade }: { grade: Grade }) {
  const isTold = grade.kind === "error" || (grade.kind === "fail" && reasonsOf(grade).length > 0);
  return (
    <details className="grade" open={isTold}>
      <summary>
        <Outcome kind={grade.kind} />
        <b className="cut">
          <Name text={grade.name} />
        </b>
        <span className="second small">{grade.type}</span>
        <span className={grade.error ? "grade-words error-words" : "grade-words"}>
          {grade.error === null && <ScoreMark grade={grade} />}
          <span className="cut">
            {grade.kind === "error" && "Error: "}
            <Name text={gradeWords(grade)} />
          </span>
        </span>
        <Icon name="down" />
      </summary>
      <GradeDetails grade={grade} />
    </details>
  );
}

function GradeDetails({ grade }: { grade: Grade }) {
  const { result, criterion, error } = grade;
  const { sample, evalhaven } = result;
  const reasons = reasonsOf(grade);
  const answer = judgeAnswer(grade);
  const prompt = Array.isArray(sample?.input) ? sample.input : null;
  const usage = usageWords(sample, evalhaven?.calls);
  const notes = [
    ...stringsIn(evalhaven?.notes),
    ...stringsIn(evalhaven?.unresolved).map((name) => `${name} was empty`),
  ];
  const parts = isObject(evalhaven?.parts) ? Object.entries(evalhaven.parts) : [];
  return (
    <dl className="grade-details">
      {error !== null && (
        <Detail name="Message">
          <Text text={error.message || error.code} />
          <p className="second small">
            <Name text={error.code} />
            {grade.kind === "error"
              ? ". An error is not counted as failed."
              : ". The grader's own code failed: that scores 0."}
          </p>
        </Detail>
      )}
      {reasons.length > 0 && (
        <Detail name="Reasons">
          <ol className="reasons">
            {reasons.map((step, place) => (
              <li key={place}>
                <Text text={[step.description, step.conclusion].filter(Boolean).join("\n")} />
              </li>
            ))}
          </ol>
        </Detail>
      )}
      {prompt !== null && (
        <Detail name="Prompt">
          <Messages messages={prompt} />
        </Detail>
      )}
      {answer !== null && (
        <Detail name="Answer">
          {answer === "" ? <span className="third">(empty)</span> : <Text text={answer} className="code" />}
        </Detail>
      )}
      {parts.length > 0 && (
        <Detail name="Parts">
          {parts.map(([name, part]) => (
            <div key={name}>
              <Name text={name} />:{" "}
              {isObject(part) && typeof part.score === "number" ? figure(part.score) : "error"}
            </div>
          ))}
        </Detail>
      )}
      {typeof evalhaven?.output === "string" && (
        <Detail name="Printed">
          <Text text={evalhaven.output} className="code" />
        </Detail>
      )}
      {prompt === null && criterion !== undefined && (
        <Detail name="Criterion">
          <CriterionText criterion={criterion} />
        </Detail>
      )}
      {usage !== "" && <Detail name="Usage">{usage}</Detail>}
      {notes.length > 0 && (
        <Detail name="Notes">
          <Name text={notes.join(", ")} />
        </Detail>
      )}
    </dl>
  );
}

function Detail({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** What a grader without a judge goes by: its code, or its settings. */
function CriterionText({ criterion }: { criterion: Record<string, unknown> }) {
  if (typeof criterion.source === "string") return <Text text={criterion.source} className="code" />;
  const { id: _id, name: _name, type: _type, ...settings } = criterion;
  return (
    <Text
      text={Object.entries(settings)
        .map(([name, value]) => `${name}: ${typeof value === "string" ? value : renderJson(value)}`)
        .join("\n")}
      className="code"
    />
  );
}

const WIDTH = 120;
const HEIGHT = 14;

/** A score on its scale, with the threshold dashed. */
function ScoreMark({ grade }: { grade: Grade }) {
  const label = useId();
  const range = rangeOf(grade.criterion);
  if (range === null || grade.score === null || range[0] >= range[1]) return null;
  const x = scaleLinear(range, [4, WIDTH - 4]).clamp(true);
  const threshold = thresholdOf(grade.criterion);
  return (
    <svg width={WIDTH} height={HEIGHT} role="img" aria-labelledby={label}>
      <title id={label}>
        {`${figure(grade.score)} on a scale of ${figure(range[0])} to ${figure(range[1])}`}
      </title>
      <line className="c-axis" x1={x(range[0])} x2={x(range[1])} y1={HEIGHT / 2} y2={HEIGHT / 2} />
      {range.map((end) => (
        <line key={end} className="c-axis" x1={x(end)} x2={x(end)} y1="4" y2={HEIGHT - 4} />
      ))}
      {threshold !== null && (
        <line className="c-threshold" x1={x(threshold)} x2={x(threshold)} y1="0" y2={HEIGHT} />
      )}
      <circle className="c-dot" cx={x(grade.score)} cy={HEIGHT / 2} r="4" />
    </svg>
  );
}

function stringsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
