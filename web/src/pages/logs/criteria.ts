/** What a logged answer is judged by: its text, or the label that a model gives it. */
export type CriterionWish = {
  kind: "ilike" | "eq" | "label";
  reference: string;
  judge: string;
  question: string;
  /** Labels and those that pass, with commas between. */
  labels: string;
  passing: string;
};

export const FIRST_CRITERION: CriterionWish = {
  kind: "ilike",
  reference: "",
  judge: "",
  question: "Does the answer do what was asked?",
  labels: "yes, partly, no",
  passing: "yes",
};

/** Return the testing criterion that is wished for. */
export function criterionOf(wish: CriterionWish): Record<string, unknown> {
  if (wish.kind === "label") {
    return {
      type: "label_model",
      name: "answer",
      model: wish.judge,
      input: [
        { role: "developer", content: wish.question },
        { role: "user", content: "Asked: {{ item.input }}\n\nAnswer: {{ sample.output_text }}" },
      ],
      labels: listed(wish.labels),
      passing_labels: listed(wish.passing),
    };
  }
  return {
    type: "string_check",
    name: "answer",
    input: "{{ sample.output_text }}",
    operation: wish.kind,
    reference: wish.reference,
  };
}

function listed(text: string): string[] {
  return [...new Set(text.split(",").map((each) => each.trim()))].filter((each) => each !== "");
}
