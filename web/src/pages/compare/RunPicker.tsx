import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { runChoicesQuery } from "@/api/compareQueries";
import type { RunOverview } from "@/api/types";
import { count, limits, percent } from "@/format/numbers";
import { moment } from "@/format/times";
import { isUnderWay, statusWord } from "@/format/words";
import { Icon, type IconName } from "@/parts/Icon";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { type CompareSearch, FROM_THE_START } from "./search";

type Props = {
  label: string;
  icon: IconName;
  /** A chip or a small square has no word of its own. */
  isBare?: boolean;
  /** Runs that are part of the comparison already. */
  taken: readonly string[];
  /** The eval whose runs are offered first; all, without it. */
  evalId: string | undefined;
  chosen: (runId: string) => CompareSearch;
};

/** A button that opens a list of runs with what tells them apart: rate, model, moment. */
export function RunPicker({ label, icon, isBare = false, taken, evalId, chosen }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const open = () => {
    setOpen(true);
    dialog.current?.showModal();
  };
  return (
    <>
      <button
        type="button"
        className={isBare ? "chip-button" : "chip adding"}
        aria-label={isBare ? label : undefined}
        title={isBare ? label : undefined}
        aria-haspopup="dialog"
        onClick={open}
      >
        <Icon name={icon} />
        {!isBare && label}
      </button>
      <dialog ref={dialog} className="palette run-picker" aria-label={label} onClose={() => setOpen(false)}>
        {isOpen && (
          <Choices
            evalId={evalId}
            taken={taken}
            chosen={chosen}
            label={label}
            onChosen={() => dialog.current?.close()}
          />
        )}
      </dialog>
    </>
  );
}

type ChoicesProps = Pick<Props, "taken" | "evalId" | "chosen" | "label"> & { onChosen: () => void };

function Choices({ taken, evalId, chosen, label, onChosen }: ChoicesProps) {
  const [text, setText] = useState("");
  const [isEverywhere, setEverywhere] = useState(evalId === undefined);
  const runs = useQuery(runChoicesQuery(isEverywhere ? undefined : evalId, text));
  const offered = runs.data?.data.filter((each) => !taken.includes(each.id));
  return (
    <>
      <label className="search">
        <Icon name="search" />
        <span className="hidden-text">{label}: name, id or model</span>
        <input
          type="search"
          // biome-ignore lint/a11y/noAutofocus: the dialog was opened to choose by typing
          autoFocus
          value={text}
          placeholder={`${label}: name, id or model`}
          onChange={(event) => setText(event.target.value)}
        />
        {evalId !== undefined && (
          <button
            type="button"
            className="button plain slim"
            aria-pressed={isEverywhere}
            onClick={() => setEverywhere(!isEverywhere)}
          >
            {isEverywhere ? "Only this eval" : "All evals"}
          </button>
        )}
      </label>
      <div className="results">
        {runs.error && <Failure error={runs.error} onRetry={runs.refetch} />}
        {runs.isPending && <Skeleton lines={4} />}
        {offered?.length === 0 && <p className="nothing">No other run is like this.</p>}
        <ul>
          {offered?.map((each) => (
            <li key={each.id}>
              <Link
                from="/compare"
                to="."
                search={(before) => ({ ...before, ...FROM_THE_START, ...chosen(each.id) })}
                className="run-choice"
                onClick={onChosen}
              >
                <Choice run={each} isNamingEval={isEverywhere} />
              </Link>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}

function Choice({ run, isNamingEval }: { run: RunOverview; isNamingEval: boolean }) {
  const { rate } = run;
  const isFinal = run.status === "completed" && !run.partial;
  return (
    <>
      <span className="cut">
        <Name text={run.name || run.id} />
        <small>
          {isNamingEval && (
            <>
              <Name text={run.eval_name} /> ·{" "}
            </>
          )}
          {run.model !== "" && (
            <>
              <Name text={run.model} /> ·{" "}
            </>
          )}
          {moment(run.created_at)}
        </small>
      </span>
      <span className="right">
        {isFinal ? <b>{percent(rate.value)}%</b> : <span className="second">{percent(rate.value)}%</span>}
        <small>
          {isFinal || isUnderWay(run.status) ? "" : `${statusWord(run.status).toLowerCase()}, `}
          {run.partial && `partial, ${count(run.items)} items`}
          {isFinal && rate.low !== null && rate.high !== null && `${limits(rate.low, rate.high)}, `}
          {isFinal && `n ${count(rate.items)}`}
        </small>
      </span>
    </>
  );
}
