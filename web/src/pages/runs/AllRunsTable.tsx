import { Link } from "@tanstack/react-router";
import type { RunOverview } from "@/api/types";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Scroll } from "@/layout/Page";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { RateCells, RateHeads, RunModel, RunName, RunStanding, SpentCells, SpentHeads } from "./cells";

export function AllRunsTable({ runs }: { runs: readonly RunOverview[] }) {
  const table = useRowKeys<HTMLTableElement>();
  return (
    <>
      <Scroll label="Table of runs">
        <table ref={table} className="runs-table">
          <thead>
            <tr>
              <th scope="col" className="c-run">
                Run
              </th>
              <th scope="col">Eval</th>
              <th scope="col">Status</th>
              <th scope="col">Model</th>
              <RateHeads />
              <SpentHeads />
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <RunRow key={run.id} run={run} />
            ))}
          </tbody>
        </table>
      </Scroll>
      <div className="table-foot">
        <span>Rate: items that passed every criterion, errors left out, with its 95% interval.</span>
        <span className="grow" />
        <span className="keys">
          <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> open <kbd>/</kbd> search
        </span>
      </div>
    </>
  );
}

function RunRow({ run }: { run: RunOverview }) {
  return (
    <tr>
      <th scope="row" className="c-run">
        <RunName run={run} />
      </th>
      <td className="c-run" title={visibleText(run.eval_name)}>
        <Link to="/evals/$evalId" params={{ evalId: run.eval_id }}>
          <Name text={run.eval_name || run.eval_id} />
        </Link>
      </td>
      <td>
        <RunStanding run={run} />
      </td>
      <RunModel run={run} />
      <RateCells run={run} />
      <SpentCells run={run} />
    </tr>
  );
}
