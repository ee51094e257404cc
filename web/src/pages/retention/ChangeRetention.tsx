import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useRef, useState } from "react";
import { logStatusQuery, retentionQuery, setRetention } from "@/api/logQueries";
import type { LogStatus, Retention } from "@/api/types";
import { counted } from "@/format/numbers";
import { faultOf, NumberField, numberIn } from "@/parts/NumberField";
import { PermittedButton } from "@/parts/PermittedButton";
import { Failure } from "@/states/States";
import { type Older, olderThan } from "./older";

const DAYS = { days: 1 };

/** Sets for how many days the project keeps its calls, and says what that drops before it does. */
export function ChangeRetention({ retention, status }: { retention: Retention; status: LogStatus }) {
  const id = useId();
  const queries = useQueryClient();
  const dialog = useRef<HTMLDialogElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const [typed, setTyped] = useState<number | null>(retention.days);
  const [isMisread, setMisread] = useState(false);
  const change = useMutation({
    mutationFn: setRetention,
    onSuccess: async (set) => {
      queries.setQueryData(retentionQuery.queryKey, set);
      await queries.invalidateQueries({ queryKey: logStatusQuery.queryKey });
      dialog.current?.close();
    },
  });
  const most = retention.most_days;
  const isAllowed = typed !== null && Number.isInteger(typed) && typed >= 1 && typed <= most;
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setMisread(!isAllowed);
    if (isAllowed) change.mutate(typed);
  };
  const open = () => {
    // Whoever decides what is dropped has to see what is stored now, not when the page was opened.
    void queries.invalidateQueries({ queryKey: logStatusQuery.queryKey });
    dialog.current?.showModal();
  };
  const forget = () => {
    form.current?.reset();
    change.reset();
    setTyped(retention.days);
    setMisread(false);
  };
  const fault = isMisread
    ? `Write a whole number of days, from 1 to ${most}.`
    : faultOf(change.error, "days");
  const older = isAllowed ? olderThan(typed, status, Date.now()) : undefined;
  return (
    <>
      <PermittedButton needs="manage" className="button" onClick={open}>
        Change the retention
      </PermittedButton>
      <dialog ref={dialog} className="help-sheet form-sheet" aria-labelledby={id} onClose={forget}>
        <h2 id={id}>Retention of the calls of this project</h2>
        {change.error && !fault && <Failure error={change.error} />}
        <form
          ref={form}
          key={retention.days}
          className="form"
          onSubmit={submit}
          onInput={(event) => {
            setTyped(numberIn(new FormData(event.currentTarget), "days", DAYS));
            setMisread(false);
          }}
        >
          <NumberField
            name="days"
            label="Keep calls for"
            units={DAYS}
            value={retention.days}
            hint={`At most ${counted(most, "day")}: the server keeps none for longer.`}
            fault={fault}
          />
          <p role="status">{older !== undefined && <Consequence of={older} />}</p>
          <div className="row">
            {retention.days !== null && (
              <button
                type="button"
                className="button"
                disabled={change.isPending}
                onClick={() => change.mutate(null)}
              >
                As long as the server
              </button>
            )}
            <span className="grow" />
            <button type="button" className="button" onClick={() => dialog.current?.close()}>
              Close
            </button>
            <button type="submit" className="button main" disabled={change.isPending}>
              {older?.calls ? "Set it, and drop what is older" : "Set the retention"}
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}

function Consequence({ of: older }: { of: Older | null }) {
  if (older === null) return "The store of logged calls does not answer, so nobody knows what that drops.";
  if (older.calls === 0) return "No stored call of this project is older.";
  return (
    <>
      <b>
        {counted(older.calls, "call")} of {counted(older.days, "day")}{" "}
        {older.calls === 1 ? "is older" : "are older"}.
      </b>{" "}
      {older.calls === 1 ? "It is" : "They are"} dropped within an hour, which cannot be undone.
    </>
  );
}
