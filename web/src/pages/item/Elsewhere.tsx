import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { ItemPlace, OutputItem } from "@/api/types";
import { moment } from "@/format/times";
import { kindOf } from "@/pages/items/ResultCell";
import { Outcome } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";
import { answerOf } from "./contents";

const SHOWN = 4;

type Props = { item: OutputItem; place: ItemPlace; runName: string };

/** The same item in other runs of the eval: which passed it, and what the answer was. */
export function Elsewhere({ item, place, runName }: Props) {
  const [isWhole, setWhole] = useState(false);
  const others = isWhole ? place.elsewhere : place.elsewhere.slice(0, SHOWN);
  const hidden = place.elsewhere.length - others.length;
  return (
    <nav className="strip" aria-label="This item in other runs">
      <div className="strip-label">
        This item in {place.elsewhere.length + 1} runs
        {!place.elsewhere_complete && ", as far as it was searched"}
        {hidden > 0 && (
          <button type="button" className="button plain slim" onClick={() => setWhole(true)}>
            {hidden} more
          </button>
        )}
      </div>
      <div className="strip-cells">
        <span className="strip-cell" aria-current="true">
          <span className="cut second small">
            <Name text={runName || item.run_id} />
          </span>
          <span className="cut">
            <Outcome kind={kindOf(item.status)}>
              <Name text={answerOf(item.sample.output).slice(0, 80)} />
            </Outcome>
          </span>
        </span>
        {others.map((run) => {
          const [sample] = run.samples;
          const title = `${run.run_name || run.run_id}, ${moment(run.created_at)}`;
          const name = (
            <span className="cut second small">
              <Name text={run.run_name || run.run_id} />
            </span>
          );
          if (sample === undefined)
            return (
              <span key={run.run_id} className="strip-cell" title={title}>
                {name}
                <Outcome kind="missing">not in this run</Outcome>
              </span>
            );
          return (
            <Link
              key={run.run_id}
              className="strip-cell"
              title={title}
              to="/evals/$evalId/runs/$runId/items/$itemId"
              params={{ evalId: item.eval_id, runId: run.run_id, itemId: sample.id }}
            >
              {name}
              <span className="cut">
                <Outcome kind={kindOf(sample.status)}>
                  <Name text={sample.output ?? ""} />
                </Outcome>
                {run.samples.length > 1 && <span className="third"> and {run.samples.length - 1} more</span>}
              </span>
            </Link>
          );
        })}
      </div>
    </nav>
  );
}
