import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { ComparedItem, ComparedSample, Comparison, RunComparison } from "@/api/types";
import { count } from "@/format/numbers";
import { useShortcut } from "@/keyboard/shortcuts";
import { Icon } from "@/parts/Icon";
import { Name, Text } from "@/text/SafeText";
import { WordDiff } from "@/text/WordDiff";
import { fieldsOf, isShort, previewOf } from "./itemTexts";
import { Side } from "./Side";

type Props = {
  item: ComparedItem;
  shown: RunComparison;
  baseline: NonNullable<Comparison["baseline"]>;
  where: string;
  onMove: (step: number) => void;
  onClose: () => void;
};

const CHANGES: Record<ComparedItem["change"], string> = {
  fixed: "fixed",
  regressed: "regressed",
  passed: "passed in both",
  failed: "failed in both",
  errored: "no result on a side",
  missing: "only in the base",
  new: "only in the new run",
};

/** Both sides of one item: the answers with the words marked that differ, and their grades. */
export function Detail({ item, shown, baseline, where, onMove, onClose }: Props) {
  const { view } = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  const [repeat, setRepeat] = useState(0);
  const show = (one: boolean) =>
    navigate({
      search: (before) => ({ ...before, view: one ? "one" : undefined }),
      replace: true,
      resetScroll: false,
    });
  useShortcut("d", "side by side, or one text", () => show(view !== "one"));
  useShortcut("Escape", "close the item", onClose);
  const before = item.baseline[repeat];
  const after = item.candidate[repeat];
  const repeats = Math.max(item.baseline.length, item.candidate.length);
  const number = (item.candidate[0] ?? item.baseline[0])?.datasource_item_id ?? 0;
  const texts = textsOf(before, after);
  const opened = after ? { run: shown.candidate, id: after.id } : before && { run: baseline, id: before.id };
  useShortcut("o", "open the item of the new run", () => {
    if (opened === undefined) return;
    const { eval_id: evalId, run_id: runId } = opened.run;
    navigate({
      to: "/evals/$evalId/runs/$runId/items/$itemId",
      params: { evalId, runId, itemId: opened.id },
    });
  });
  return (
    <section className="detail" aria-label={`Item ${number}`}>
      <div className="row detail-head">
        <h3>#{count(number)}</h3>
        <span className="second cut">
          {CHANGES[item.change]}
          {where && `, ${where}`}
        </span>
        <span className="grow" />
        {texts && (
          <span className="segments">
            <button type="button" aria-pressed={view !== "one"} onClick={() => show(false)}>
              Side by side
            </button>
            <button type="button" aria-pressed={view === "one"} onClick={() => show(true)}>
              One text
            </button>
          </span>
        )}
        <button
          type="button"
          className="button slim square"
          aria-label="Previous item"
          onClick={() => onMove(-1)}
        >
          [
        </button>
        <button type="button" className="button slim square" aria-label="Next item" onClick={() => onMove(1)}>
          ]
        </button>
        <button
          type="button"
          className="button plain slim square"
          aria-label="Close item"
          title="Close (Esc)"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </div>
      <ItemFields item={item} />
      {repeats > 1 && <Repeats count={repeats} chosen={repeat} onChoose={setRepeat} />}
      {texts && texts[0] === texts[1] && <p className="second same-answer">Both answers are the same.</p>}
      {texts && view === "one" && (
        <div className="one-text-of">
          <WordDiff left={texts[0]} right={texts[1]} side="both" />
        </div>
      )}
      <div className="side-by-side">
        <Side
          word="Base"
          run={baseline}
          sample={before}
          answer={
            view === "one" && texts
              ? null
              : texts && <WordDiff left={texts[0]} right={texts[1]} side="left" />
          }
        />
        <Side
          word="New"
          run={shown.candidate}
          sample={after}
          answer={
            view === "one" && texts
              ? null
              : texts && <WordDiff left={texts[0]} right={texts[1]} side="right" />
          }
        />
      </div>
    </section>
  );
}

/** Return both answers where both sides have one. */
function textsOf(
  before: ComparedSample | undefined,
  after: ComparedSample | undefined,
): readonly [string, string] | undefined {
  if (before?.output_text == null || after?.output_text == null) return undefined;
  return [before.output_text, after.output_text];
}

function ItemFields({ item }: { item: ComparedItem }) {
  const first = previewOf(item);
  const others = fieldsOf(item).filter((each) => each.name !== first?.name);
  const long = others.filter((each) => !isShort(each));
  return (
    <>
      {first && <Text text={first.text} className="question" />}
      <p className="second short-fields">
        {others.filter(isShort).map((each) => (
          <span key={each.name}>
            <Name text={each.name} />{" "}
            <b className="mono">
              <Name text={each.text} />
            </b>
          </span>
        ))}
      </p>
      {long.map((each) => (
        <details key={each.name} className="long-field">
          <summary>
            <Name text={each.name} />
          </summary>
          <Text text={each.text} />
        </details>
      ))}
    </>
  );
}

type RepeatsProps = { count: number; chosen: number; onChoose: (repeat: number) => void };

function Repeats({ count: number, chosen, onChoose }: RepeatsProps) {
  return (
    <div className="segments repeats" role="group" aria-label="Sample">
      {Array.from({ length: number }, (_, repeat) => (
        <button key={repeat} type="button" aria-pressed={repeat === chosen} onClick={() => onChoose(repeat)}>
          {repeat + 1}
        </button>
      ))}
    </div>
  );
}
