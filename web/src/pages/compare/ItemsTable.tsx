import { Link } from "@tanstack/react-router";
import type { ComparedItem, ComparedSample } from "@/api/types";
import { count, figure } from "@/format/numbers";
import { Scroll } from "@/layout/Page";
import { Outcome, type OutcomeKind } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";
import { keyOf } from "./Items";
import { previewOf } from "./itemTexts";

type Props = { items: readonly ComparedItem[]; place: number; criterion: string | undefined };

/** One row an item: how it came out on both sides. */
export function ItemsTable({ items, place, criterion }: Props) {
  const heading = items.flatMap((each) => previewOf(each)?.name ?? [])[0] ?? "Item";
  return (
    <Scroll label="Compared items">
      <table className="items fixed compared-table">
        <colgroup>
          <col className="c-number" />
          <col />
          <col className="c-side" />
          <col className="c-side" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col" className="right">
              #
            </th>
            <th scope="col">
              <Name text={heading} />
            </th>
            <th scope="col">Base</th>
            <th scope="col">New</th>
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
                  search={(before) => ({ ...before, item: keyOf(each) })}
                  activeProps={{}}
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
              <td>
                <Side samples={each.candidate} criterion={criterion} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
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
