import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { ComparedRun, Comparison, RunComparison } from "@/api/types";
import { counted, percent } from "@/format/numbers";
import { isUnderWay, shortId, statusWord } from "@/format/words";
import { CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";
import { ExportMenu } from "./ExportMenu";
import { RunPicker } from "./RunPicker";
import { SwapButton } from "./SwapButton";
import { type CompareSearch, FROM_THE_START, MOST_RUNS } from "./search";
import { useShown } from "./useShown";

type Props = {
  comparison: Comparison | undefined;
  candidates: readonly string[];
  base: string | undefined;
  evalId: string | undefined;
};

/** The runs as chips: each can be opened, replaced and removed; one more can be added. */
export function CompareHead({ comparison, candidates, base, evalId }: Props) {
  const shown = useShown(comparison);
  const all = base === undefined ? [...candidates] : [base, ...candidates];
  const byId = new Map(comparison?.comparisons.map((each) => [each.candidate.run_id, each]));
  const baseline = comparison?.baseline?.run_id === base ? comparison?.baseline : undefined;
  if (all.length === 0) return null;
  return (
    <div className="page-head compare-head">
      <div className="row wrapping">
        {base !== undefined && (
          <RunChip
            word="Base"
            id={base}
            run={baseline ?? undefined}
            rate={shown?.baseline_rate.value}
            evalId={evalId}
            taken={all}
            replaced={(id) => ({ runs: [id, ...candidates].join(","), base: id })}
            removed={undefined}
          />
        )}
        {shown && base !== undefined && <SwapButton base={base} shown={shown} candidates={candidates} />}
        {candidates.map((id) => (
          <RunChip
            key={id}
            word="New"
            id={id}
            run={byId.get(id)?.candidate}
            rate={byId.get(id)?.candidate_rate.value}
            evalId={evalId}
            taken={all}
            replaced={(other) => ({ runs: all.map((each) => (each === id ? other : each)).join(","), base })}
            removed={
              candidates.length > 1
                ? { runs: all.filter((each) => each !== id).join(","), base, run: undefined }
                : undefined
            }
          />
        ))}
        {all.length < MOST_RUNS && base !== undefined && (
          <RunPicker
            label="Run"
            icon="plus"
            taken={all}
            evalId={evalId}
            chosen={(id) => ({ runs: [...all, id].join(","), base })}
          />
        )}
        {shown && <span className="second">{pairingOf(shown)}</span>}
      </div>
      <div className="actions">
        {shown && base !== undefined && <ExportMenu run={shown.candidate.run_id} base={base} />}
        <CopyLink />
      </div>
    </div>
  );
}

type ChipProps = {
  word: string;
  id: string;
  run: ComparedRun | undefined;
  rate: number | null | undefined;
  evalId: string | undefined;
  taken: readonly string[];
  replaced: (id: string) => CompareSearch;
  removed: CompareSearch | undefined;
};

function RunChip({ word, id, run, rate, evalId, taken, replaced, removed }: ChipProps) {
  const name = run?.name || shortId(id);
  const isFinal = run === undefined || run.status === "completed";
  return (
    <span className="chip run-chip">
      <svg width="9" height="9" aria-hidden="true">
        <circle className={word === "Base" ? "c-baseline" : "c-point"} cx="4.5" cy="4.5" r="3.5" />
      </svg>
      <span className="key">{word}</span>
      <RunLink run={run}>
        <Name text={name} />
      </RunLink>
      {rate != null && (isFinal ? <b>{percent(rate)}%</b> : <span>{percent(rate)}%</span>)}
      {!isFinal && run && (
        <span className="key">
          {isUnderWay(run.status) ? "partial" : statusWord(run.status).toLowerCase()}
        </span>
      )}
      <RunPicker
        label={`Replace ${name}`}
        icon="down"
        isBare
        taken={taken}
        evalId={evalId}
        chosen={replaced}
      />
      {removed && (
        <Link
          from="/compare"
          to="."
          search={(before) => ({ ...before, ...FROM_THE_START, ...removed })}
          className="chip-button"
          aria-label={`Remove ${name}`}
          title={`Remove ${name}`}
        >
          <Icon name="close" />
        </Link>
      )}
    </span>
  );
}

function RunLink({ run, children }: { run: ComparedRun | undefined; children: ReactNode }) {
  if (run === undefined) return <span>{children}</span>;
  return (
    <Link
      to="/evals/$evalId/runs/$runId"
      params={{ evalId: run.eval_id, runId: run.run_id }}
      className="quiet cut"
    >
      {children}
    </Link>
  );
}

const PAIRED: Record<string, string> = {
  content: "by their content",
  fields: "by named fields",
  position: "by their position",
};

/** How items were paired, in a few words. */
function pairingOf(shown: RunComparison): string {
  const { paired_by, counts, difference } = shown;
  if (paired_by === null) return "items are not paired: rates are compared";
  const alone = counts.unpaired;
  const how = PAIRED[paired_by] ?? `by ${paired_by}`;
  return `${counted(difference.items, "item")} paired ${how}${alone === 0 ? "" : `, ${counted(alone, "item")} in only one run`}`;
}
