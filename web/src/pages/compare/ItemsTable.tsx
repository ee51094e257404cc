import { Link, useSearch } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import type { ComparedItem, ComparedSample } from "@/api/types";
import { changed, count, figure } from "@/format/numbers";
import { Scroll } from "@/layout/Page";
import { Outcome, type OutcomeKind } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";
import { keyOf } from "./Items";
import { previewOf } from "./itemTexts";
import { FROM_THE_START, type Mode, ONLY_HERE } from "./search";

type Props = {
  items: readonly ComparedItem[];
  place: number;
  criterion: string | undefined;
  mode: Mode;
  /** Whether there is room for the answers, since no item stands beside the table. */
  isAlone: boolean;
};

/** One row an item: how it came out on both sides. */
export function ItemsTable({ items, place, criterion, mode, isAlone }: Props) {
  const heading = items.flatMap((each) => previewOf(each)?.name ?? [])[0] ?? "Item";
  const table = useRef<HTMLTableElement>(null);
  // The focus follows the chosen row, where it is in the table.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another row is chosen
  useEffect(() => {
    if (document.activeElement?.closest("tbody")?.parentElement !== table.current) return;
    table.current?.querySelector<HTMLElement>("tr.current a")?.focus();
  }, [place, items]);
  return (
    <Scroll label="Compared items">
      <table ref={table} className="items fixed compared-table">
        <colgroup>
          <col className="c-number" />
          <col />
          <col className="c-side" />
          {isAlone && <col />}
          <col className="c-side" />
          {isAlone && <col />}
          <col className="c-change" />
        </colgroup>
        <thead>
          <tr>
            <SortHead name="#" mode={mode} />
            <th scope="col">
              <Name text={heading} />
            </th>
            <th scope="col">Base</th>
            {isAlone && <th scope="col">Answer</th>}
            <th scope="col">New</th>
            {isAlone && <th scope="col">Answer</th>}
            <SortHead name="Change" sort="change" mode={mode} />
          </tr>
        </thead>
        <tbody>
          {items.map((each, row) => (
            <tr key={keyOf(each)} className={row === place ? "current" : ""}>
              <td className="right second">
                {count((each.candidate[0] ?? each.baseline[0])?.datasource_item_id ?? 0)}
              </td>
              <td>
                <Link
                  from="/compare"
                  to="."
                  search={(before) => ({ ...before, item: keyOf(each), pane: undefined })}
                  activeProps={{}}
                  activeOptions={ONLY_HERE}
                  aria-current={row === place ? "true" : undefined}
                  resetScroll={false}
                  replace
                >
                  <Name text={previewOf(each)?.text || "empty item"} />
                </Link>
              </td>
              <td>
                <Side samples={each.baseline} criterion={criterion} />
              </td>
              {isAlone && <AnswerCell sample={each.baseline[0]} />}
              <td>
                <Side samples={each.candidate} criterion={criterion} />
              </td>
              {isAlone && <AnswerCell sample={each.candidate[0]} />}
              <td className="right">{each.score_change === null ? "–" : changed(each.score_change)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

const LONGEST_ANSWER = 200;

function AnswerCell({ sample }: { sample: ComparedSample | undefined }) {
  const text = sample?.output_text ?? "";
  return (
    <td className="second">
      <span className="cut">
        <Name text={text.slice(0, LONGEST_ANSWER)} />
      </span>
    </td>
  );
}

/** The head of a column that sorts: by position, or by the change of the score. A second click turns the order round. */
function SortHead({ name, sort, mode }: { name: string; sort?: "change"; mode: Mode }) {
  const search = useSearch({ from: "/compare" });
  const isSorted = search.sort === sort;
  // Fixes begin with what has gained most, all else with what has lost most.
  const first = sort === "change" && mode === "fixed" ? "desc" : undefined;
  const order = !isSorted ? first : search.order === undefined ? "desc" : undefined;
  const isFalling = search.order === "desc";
  return (
    <th
      scope="col"
      className="right"
      aria-sort={isSorted ? (isFalling ? "descending" : "ascending") : undefined}
    >
      <Link
        from="/compare"
        to="."
        className="sort"
        search={(before) => ({ ...before, ...FROM_THE_START, sort, order })}
        activeProps={{}}
        activeOptions={ONLY_HERE}
        resetScroll={false}
        replace
        title={sort === "change" ? "Sort by change of score" : "Sort by position"}
      >
        {name}
        {isSorted && <span aria-hidden="true"> {isFalling ? "↓" : "↑"}</span>}
      </Link>
    </th>
  );
}

/** How one side came out: its score, or how many of its samples passed. */
function Side({ samples, criterion }: { samples: readonly ComparedSample[]; criterion: string | undefined }) {
  const first = samples[0];
  if (first === undefined) return <Outcome kind="missing">none</Outcome>;
  if (samples.length === 1) {
    const score = criterion === undefined ? first.score : (first.results[0]?.score ?? null);
    return <Outcome kind={kindOf(first, criterion)}>{score === null ? "error" : figure(score)}</Outcome>;
  }
  const kinds = samples.map((each) => kindOf(each, criterion));
  const passed = kinds.filter((kind) => kind === "pass").length;
  const kind = kinds.includes("error") ? "error" : passed === samples.length ? "pass" : "fail";
  return (
    <Outcome kind={kind}>
      {passed}/{samples.length}
    </Outcome>
  );
}

/** Return how a sample came out by one criterion, or by all. */
export function kindOf(sample: ComparedSample, criterion: string | undefined): OutcomeKind {
  if (criterion === undefined) return sample.status as OutcomeKind;
  const passed = sample.results.find((each) => each.name === criterion)?.passed;
  return passed == null ? "error" : passed ? "pass" : "fail";
}
