import { parseJson } from "@/api/json";
import type { OutputItem, OutputItemResult } from "@/api/types";
import { figure } from "@/format/numbers";
import type { OutcomeKind } from "@/parts/Outcome";
import { answerOf, isObject } from "./contents";

type Loose = Record<string, unknown>;

/** A criterion as the eval has it; which keys it has depends on its grader. */
export type Criterion = Loose & { name: string; type: string };

export type GradeError = { code: string; message: string };
export type Step = { description: string; conclusion: string };
export type Grade = {
  name: string;
  type: string;
  criterion: Criterion | undefined;
  kind: OutcomeKind;
  score: number | null;
  error: GradeError | null;
  result: OutputItemResult;
};

/** Return the grades of an item in the order of the criteria; an errored grade is neither passed nor failed. */
export function gradesOf(item: OutputItem, criteria: readonly Criterion[]): Grade[] {
  return item.results.map((result, place) => {
    const byId = criteria.find((each) => each.id === result.name);
    const criterion = byId ?? criteria[place];
    const error = errorOf(result);
    const isErrored = error !== null && !isFault(result);
    return {
      name: criterion?.name ?? result.name,
      type: criterion?.type ?? (result.type ?? "").replace(/-grader$/, "").replaceAll("-", "_"),
      criterion,
      kind: isErrored ? "error" : result.passed ? "pass" : "fail",
      score: isErrored ? null : result.score,
      error,
      result,
    };
  });
}

/** Return the error of a grade: what Evalhaven tells, or that of the call to its judge. */
function errorOf(result: OutputItemResult): GradeError | null {
  const told = result.evalhaven?.error ?? result.sample?.error;
  if (!isObject(told)) return null;
  return { code: String(told.code ?? "error"), message: String(told.message ?? "") };
}

/** A fault of the user's own code scores 0: it failed, and the error says why. */
function isFault(result: OutputItemResult): boolean {
  const told = result.evalhaven?.error;
  return isObject(told) && told.origin === "user_code";
}

/** Return what a grade comes to in a few words: the score against its threshold. */
export function gradeWords(grade: Grade): string {
  if (grade.error !== null) return grade.error.message || grade.error.code;
  const { criterion, score } = grade;
  if (grade.type === "label_model") return labelWords(grade);
  if (grade.type === "string_check") return checkWords(criterion);
  if (score === null) return "";
  const range = rangeOf(criterion);
  const of = range !== null && range[1] !== 1 ? ` of ${figure(range[1])}` : "";
  const needed = thresholdOf(criterion);
  return `${figure(score)}${of}${needed === null ? "" : `, needs ${figure(needed)}`}`;
}

function labelWords(grade: Grade): string {
  const label = judgedLabel(grade);
  const passing = grade.criterion?.passing_labels;
  const needed = Array.isArray(passing) ? passing.map((each) => `“${each}”`).join(" or ") : "";
  if (label === null) return needed === "" ? "" : `passes with ${needed}`;
  return needed === "" ? `“${label}”` : `“${label}”, passes with ${needed}`;
}

const OPERATIONS: Record<string, string> = {
  eq: "is equal to",
  ne: "is not equal to",
  like: "contains",
  ilike: "contains, whatever the case,",
};

function checkWords(criterion: Criterion | undefined): string {
  if (criterion === undefined) return "";
  return `${criterion.input} ${OPERATIONS[String(criterion.operation)] ?? criterion.operation} ${criterion.reference}`;
}

export function thresholdOf(criterion: Criterion | undefined): number | null {
  return typeof criterion?.pass_threshold === "number" ? criterion.pass_threshold : null;
}

/** Return the scale of a judge's score; other graders have 0 to 1 or none that is known. */
export function rangeOf(criterion: Criterion | undefined): [number, number] | null {
  const range = criterion?.range;
  if (Array.isArray(range) && typeof range[0] === "number" && typeof range[1] === "number")
    return [range[0], range[1]];
  return criterion?.type === "score_model" || criterion?.type === "text_similarity" ? [0, 1] : null;
}

/** Return the answer of a judge as text; null without a judge. */
export function judgeAnswer(grade: Grade): string | null {
  const output = grade.result.sample?.output;
  return Array.isArray(output) ? answerOf(output) : null;
}

/** Return the reason that came with an imported grade, or those in a judge's answer, if it is JSON with steps. */
export function reasonsOf(grade: Grade): Step[] {
  const imported = grade.result.evalhaven?.reason;
  if (typeof imported === "string" && imported !== "") return [{ description: "", conclusion: imported }];
  const answer = answerJson(grade);
  if (!isObject(answer)) return [];
  const steps = Array.isArray(answer.steps) ? answer.steps.filter(isObject) : [];
  const told = steps.map((step) => ({
    description: textIn(step, "description"),
    conclusion: textIn(step, "conclusion"),
  }));
  const reason = textIn(answer, "reasoning") || textIn(answer, "reason") || textIn(answer, "explanation");
  if (reason !== "") told.push({ description: "", conclusion: reason });
  return told.filter((step) => step.description !== "" || step.conclusion !== "");
}

function judgedLabel(grade: Grade): string | null {
  const judged = grade.result.evalhaven?.judge;
  if (isObject(judged) && typeof judged.result === "string") return judged.result;
  const answer = answerJson(grade);
  return isObject(answer) && typeof answer.result === "string" ? answer.result : null;
}

function answerJson(grade: Grade): unknown {
  try {
    return parseJson(judgeAnswer(grade) ?? "");
  } catch {
    return null;
  }
}

function textIn(value: Loose, name: string): string {
  const text = value[name];
  return typeof text === "string" ? text : "";
}
