import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import { post } from "@/api/client";
import type { Eval, EvalRun } from "@/api/types";
import { PermittedButton } from "@/parts/PermittedButton";
import { Snippet } from "@/states/Snippet";
import { Failure, Notice } from "@/states/States";
import { CriterionFields } from "./CriterionFields";
import { FIRST_CRITERION } from "./criteria";
import { codesOf, type Requests, requestsOf, type Wish } from "./requests";
import { KINDS, type LogsFilter } from "./search";

const FIRST: Wish = { ...FIRST_CRITERION, name: "Logged calls", model: "" };

/** From the calls in the list to an eval over them: graded as they are stored, or answered anew by another model. */
export function GradeThese({ filter }: { filter: LogsFilter }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const navigate = useNavigate();
  const [isReplay, setReplay] = useState(false);
  const [wish, setWish] = useState(FIRST);
  const requests = requestsOf(filter, { ...wish, model: isReplay ? wish.model : "" });
  const start = useMutation({
    mutationFn: createAndRun,
    onSuccess: (run) =>
      navigate({ to: "/evals/$evalId/runs/$runId", params: { evalId: run.eval_id, runId: run.id } }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    start.mutate(requests);
  };
  const open = (replay: boolean) => {
    setReplay(replay);
    start.reset();
    dialog.current?.showModal();
  };
  const change = (changed: Partial<Wish>) => setWish({ ...wish, ...changed });
  return (
    <>
      <PermittedButton needs="write" className="button" onClick={() => open(false)}>
        Grade these
      </PermittedButton>
      <PermittedButton needs="write" className="button" onClick={() => open(true)}>
        Replay these
      </PermittedButton>
      <dialog ref={dialog} className="help-sheet grade-these" aria-labelledby="grade-title">
        <h2 id="grade-title">{isReplay ? "Replay these calls" : "Grade these calls"}</h2>
        <p className="second">
          {KINDS[filter.kind ?? "chat"]} of the filter, all of them
          {isReplay ? ", answered anew by the model below." : ", with the answers that are stored."}{" "}
          {filter.kind === undefined && "Filter by API to take those of the Responses API."}
        </p>
        {filter.text !== undefined && (
          <Notice>
            A run cannot choose calls by words in them. Remove the words from the filter: time, model and
            metadata stay.
          </Notice>
        )}
        {start.error && <Failure error={start.error} />}
        <form onSubmit={submit} className="grade-form">
          <label>
            Name
            <input value={wish.name} required onChange={(event) => change({ name: event.target.value })} />
          </label>
          {isReplay && (
            <label>
              Model
              <input
                value={wish.model}
                required
                placeholder="gpt-5-mini"
                onChange={(event) => change({ model: event.target.value })}
              />
            </label>
          )}
          <CriterionFields wish={wish} onChange={change} />
          <div className="row">
            <span className="grow" />
            <button type="button" className="button" onClick={() => dialog.current?.close()}>
              Close
            </button>
            <button type="submit" className="button" disabled={start.isPending || filter.text !== undefined}>
              Create and run
            </button>
          </div>
        </form>
        <p className="second small">The same from a program, where any other criterion can stand:</p>
        <Snippet codes={(asking) => codesOf(asking, requests)} />
      </dialog>
    </>
  );
}

async function createAndRun({ created, run }: Requests): Promise<EvalRun> {
  const parent = (await post("/v1/evals", { body: created })) as Eval;
  return (await post("/v1/evals/{eval_id}/runs", { path: { eval_id: parent.id }, body: run })) as EvalRun;
}
