import { useState } from "react";
import { renderJson } from "@/api/json";
import { useShortcut } from "@/keyboard/shortcuts";
import { Section } from "@/layout/Page";
import { Menu } from "@/parts/Menu";
import { Outcome, type OutcomeKind } from "@/parts/Outcome";
import { Name, Text } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { WordDiff } from "@/text/WordDiff";

type Props = {
  item: Record<string, unknown>;
  output: string;
  kind: OutcomeKind;
  /** The field with the right answer, and whether only a name says so. */
  expectedField: string | null;
};

/** The answer against what was expected, or against any other field of the item, by words. */
export function OutputAgainst({ item, output, kind, expectedField }: Props) {
  const [chosen, setChosen] = useState<string>();
  const [isPlain, setPlain] = useState(false);
  useShortcut("d", "words that differ, or plain", () => setPlain(!isPlain));
  const fields = Object.keys(item);
  const field = chosen ?? expectedField;
  const against = field !== null && field in item ? textOf(item[field]) : null;
  if (against === null || field === null) {
    return (
      <Section id="output" title="Output" end={<Against fields={fields} field={null} onChoose={setChosen} />}>
        <Output text={output} />
      </Section>
    );
  }
  return (
    <Section
      id="output"
      title="Output and expectation"
      aside={isPlain ? "as they are" : "words that differ are marked"}
      end={
        <>
          <Against fields={fields} field={field} onChoose={setChosen} />
          <fieldset className="segments" aria-label="How texts are shown">
            <button type="button" aria-pressed={!isPlain} onClick={() => setPlain(false)}>
              Words
            </button>
            <button type="button" aria-pressed={isPlain} onClick={() => setPlain(true)}>
              Plain
            </button>
          </fieldset>
        </>
      }
    >
      <div className="side-by-side">
        <div>
          <h3>{chosen === undefined || chosen === expectedField ? "Expected" : <Name text={field} />}</h3>
          {isPlain ? <Output text={against} /> : <WordDiff left={against} right={output} side="left" />}
        </div>
        <div>
          <h3>
            Output <Outcome kind={kind} />
          </h3>
          {isPlain ? <Output text={output} /> : <WordDiff left={against} right={output} side="right" />}
          {output === "" && !isPlain && <span className="third">(empty)</span>}
        </div>
      </div>
    </Section>
  );
}

function Output({ text }: { text: string }) {
  return text === "" ? <p className="third">(empty)</p> : <Text text={text} />;
}

function Against({
  fields,
  field,
  onChoose,
}: {
  fields: readonly string[];
  field: string | null;
  onChoose: (field: string) => void;
}) {
  if (fields.length === 0) return null;
  return (
    <Menu label={field === null ? "Compare with" : `Against ${visibleText(field)}`} isSlim>
      {fields.map((each) => (
        <button key={each} type="button" onClick={() => onChoose(each)}>
          <Name text={each} />
        </button>
      ))}
    </Menu>
  );
}

/** Return a value of an item as the text that it is, or as JSON. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : renderJson(value);
}
