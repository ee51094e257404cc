import { useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { RunComparison } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { Section } from "@/layout/Page";
import { Outcome, OutcomeCount } from "@/parts/Outcome";
import { visibleText } from "@/text/visible";
import { ItemsLink } from "./Differences";
import type { Mode } from "./search";

/** What became of the items: passed and failed before and after. Each cell leads to its items. */
export function Matrix({ shown }: { shown: RunComparison }) {
  const { criterion } = useSearch({ from: "/compare" });
  const counts = countsOf(shown, criterion);
  const alone = counts.unpaired;
  const title = criterion === undefined ? "All criteria" : visibleText(criterion);
  return (
    <Section id="matrix" title={`${title}, item by item`}>
      {shown.paired_by === null ? (
        <p className="second">
          The runs have no items in common, so nothing can be said of single items. Rates are compared.
        </p>
      ) : (
        <table className="matrix">
          <thead>
            <tr>
              <td />
              <th scope="col">
                new: <Outcome kind="pass">passed</Outcome>
              </th>
              <th scope="col">
                new: <Outcome kind="fail">failed</Outcome>
              </th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">
                base: <Outcome kind="pass">passed</Outcome>
              </th>
              <Cell mode="passed" number={counts.passed}>
                both passed
              </Cell>
              <Cell mode="regressed" number={counts.regressed}>
                <span className="delta worse">▼ regressed</span>
              </Cell>
            </tr>
            <tr>
              <th scope="row">
                base: <Outcome kind="fail">failed</Outcome>
              </th>
              <Cell mode="fixed" number={counts.fixed}>
                <span className="delta better">▲ fixed</span>
              </Cell>
              <Cell mode="failed" number={counts.failed}>
                both failed
              </Cell>
            </tr>
          </tbody>
        </table>
      )}
      <p className="table-foot matrix-foot">
        {counts.errored > 0 && (
          <ItemsLink change={{ change: "errored" }}>
            <OutcomeCount kind="error">{counted(counts.errored, "item")} without a result</OutcomeCount>
          </ItemsLink>
        )}
        {alone > 0 && (
          <ItemsLink change={{ change: "missing" }}>
            <OutcomeCount kind="missing">
              {count(counts.missing)} only in the base, {count(counts.new)} only in the new run
            </OutcomeCount>
          </ItemsLink>
        )}
        {counts.errored === 0 && <span>No errors{alone === 0 && ", no item in only one run"}.</span>}
      </p>
    </Section>
  );
}

function Cell({ mode, number, children }: { mode: Mode; number: number; children: ReactNode }) {
  return (
    <td className={mode}>
      <ItemsLink change={{ change: mode }}>
        <b>{count(number)}</b> {children}
      </ItemsLink>
    </td>
  );
}

/** Return what happened to the items by one criterion, or by all together. */
export function countsOf(shown: RunComparison, criterion: string | undefined) {
  return shown.criteria.find((each) => each.name === criterion)?.counts ?? shown.counts;
}
