import { useNavigate } from "@tanstack/react-router";
import type { RunOverview } from "@/api/types";
import { isUnderWay } from "@/format/words";
import { useShortcut } from "@/keyboard/shortcuts";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Scroll } from "@/layout/Page";
import { MOST_RUNS } from "@/pages/compare/search";
import {
  RateCells,
  RateFigure,
  RateHeads,
  RunModel,
  RunName,
  RunStanding,
  SpentCells,
  SpentHeads,
} from "@/pages/runs/cells";
import { Outcome } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { selectedOf, toggled } from "./search";

type Props = { runs: readonly RunOverview[]; selected: readonly string[] };

/** The runs of an eval, a column a criterion; what is chosen stands in the address. */
export function RunsTable({ runs, selected }: Props) {
  const table = useRowKeys<HTMLTableElement>();
  const navigate = useNavigate({ from: "/evals/$evalId" });
  const criteria = [...new Set(runs.flatMap((run) => run.criteria.map((each) => each.name)))];
  const toggle = (id: string) =>
    navigate({
      to: ".",
      search: (before) => ({ ...before, selected: toggled(selectedOf(before), id) }),
      replace: true,
      resetScroll: false,
    });
  useShortcut("x", "select the run, to compare it", () => {
    const id = document.activeElement?.closest<HTMLElement>("tr[data-run]")?.dataset.run;
    const run = runs.find((each) => each.id === id);
    if (run !== undefined && !isUnderWay(run.status)) toggle(run.id);
  });
  return (
    <>
      <Scroll label="Table of runs">
        <table ref={table} className="runs-table">
          <thead>
            <tr>
              <th scope="col" className="c-select">
                <span className="hidden-text">Compare</span>
              </th>
              <th scope="col" className="c-run">
                Run
              </th>
              <th scope="col">Status</th>
              <th scope="col">Model</th>
              <th scope="col">Data</th>
              <RateHeads />
              {criteria.map((each) => (
                <th key={each} scope="col" className="right c-criterion" title={visibleText(each)}>
                  <Name text={each} />
                </th>
              ))}
              <SpentHeads />
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <RunRow
                key={run.id}
                run={run}
                criteria={criteria}
                isSelected={selected.includes(run.id)}
                isFull={selected.length >= MOST_RUNS}
                onToggle={() => toggle(run.id)}
              />
            ))}
          </tbody>
        </table>
      </Scroll>
      <div className="table-foot">
        <span>
          Rate: items that passed every criterion, errors left out. Each criterion: its own rate, %.
        </span>
        <span className="grow" />
        <span className="keys">
          <kbd>j</kbd> <kbd>k</kbd> move <kbd>x</kbd> select <kbd>c</kbd> compare <kbd>Enter</kbd> open
        </span>
      </div>
    </>
  );
}

type RowProps = {
  run: RunOverview;
  criteria: readonly string[];
  isSelected: boolean;
  isFull: boolean;
  onToggle: () => void;
};

function RunRow({ run, criteria, isSelected, isFull, onToggle }: RowProps) {
  const own = new Map(run.criteria.map((each) => [each.name, each.rate]));
  const isLive = isUnderWay(run.status);
  const why = isLive
    ? "It can be compared once it has ended"
    : isFull && !isSelected
      ? `At most ${MOST_RUNS} runs are compared`
      : undefined;
  return (
    <tr data-run={run.id} className={isSelected ? "current" : ""}>
      <td className="c-select">
        <input
          type="checkbox"
          aria-label={`Compare ${visibleText(run.name || run.id)}`}
          title={why}
          checked={isSelected}
          disabled={why !== undefined}
          onChange={onToggle}
        />
      </td>
      <th scope="row" className="c-run">
        <RunName run={run} />
      </th>
      <td>
        <RunStanding run={run} />
      </td>
      <RunModel run={run} />
      <td className="second c-model" title={run.file_id ?? undefined}>
        {run.regraded_from === null ? dataWord(run) : "regraded"}
        {run.repeats > 1 && ` × ${run.repeats}`}
      </td>
      <RateCells run={run} />
      {criteria.map((each) => {
        const rate = own.get(each);
        return (
          <td key={each} className="right">
            {rate === undefined ? (
              <Outcome kind="missing" />
            ) : (
              <RateFigure rate={rate} isPartial={run.partial} />
            )}
          </td>
        );
      })}
      <SpentCells run={run} />
    </tr>
  );
}

const SOURCES: Record<string, string> = {
  file_content: "inline rows",
  file_id: "file",
  stored_completions: "logged calls",
  responses: "logged responses",
};

function dataWord(run: RunOverview): string {
  return SOURCES[run.source ?? ""] ?? run.data_source;
}
