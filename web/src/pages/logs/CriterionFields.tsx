import type { CriterionWish } from "./criteria";

type Props = { wish: CriterionWish; onChange: (changed: Partial<CriterionWish>) => void };

/** What an answer has to be like: a text, or a label that a model gives it. */
export function CriterionFields({ wish, onChange }: Props) {
  const field = (name: keyof CriterionWish, label: string, placeholder?: string) => (
    <label>
      {label}
      <input
        value={wish[name]}
        required
        placeholder={placeholder}
        onChange={(event) => onChange({ [name]: event.target.value })}
      />
    </label>
  );
  return (
    <>
      <label>
        An answer passes if it
        <select
          value={wish.kind}
          onChange={(event) => onChange({ kind: event.target.value as CriterionWish["kind"] })}
        >
          <option value="ilike">contains, whatever the case</option>
          <option value="eq">is exactly</option>
          <option value="label">is given a label by a model</option>
        </select>
      </label>
      {wish.kind === "label" ? (
        <>
          {field("judge", "Judge", "gpt-5-mini")}
          {field("question", "What the judge is asked")}
          {field("labels", "Labels, with commas between")}
          {field("passing", "Labels that pass")}
        </>
      ) : (
        field("reference", "Text")
      )}
    </>
  );
}
