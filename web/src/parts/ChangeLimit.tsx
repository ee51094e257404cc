import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useRef, useState } from "react";
import { Failure } from "@/states/States";
import type { Permission } from "@/states/session";
import { faultOf, NOT_A_NUMBER, NumberField, numberIn, type Units } from "./NumberField";
import { PermittedButton } from "./PermittedButton";

type Props = {
  needs: Permission;
  /** What the button shows, and what it is called. */
  shown: string;
  label: string;
  /** What the dialog is about. */
  title: ReactNode;
  field: { name: string; label: string; units: Units; first?: string; hint?: string };
  /** The limit as it is; null for none. */
  value: number | null;
  onSet: (value: number | null) => Promise<unknown>;
};

/** Sets or removes one limit in a dialog. */
export function ChangeLimit({ needs, shown, label, title, field, value, onSet }: Props) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const [isMisread, setMisread] = useState(false);
  const change = useMutation({ mutationFn: onSet, onSuccess: () => dialog.current?.close() });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const number = numberIn(new FormData(event.currentTarget), field.name, field.units);
    // An empty field is no wish to remove the limit: a button of its own does that.
    const isNone = number === null || Number.isNaN(number);
    setMisread(isNone);
    if (!isNone) change.mutate(number);
  };
  const forget = () => {
    form.current?.reset();
    change.reset();
    setMisread(false);
  };
  const fault = isMisread ? NOT_A_NUMBER : faultOf(change.error, field.name);
  return (
    <>
      <PermittedButton
        needs={needs}
        data-row
        className="button slim"
        aria-label={label}
        onClick={() => dialog.current?.showModal()}
      >
        {shown}
      </PermittedButton>
      <dialog ref={dialog} className="help-sheet form-sheet" aria-labelledby={id} onClose={forget}>
        <h2 id={id}>{title}</h2>
        {change.error && !fault && <Failure error={change.error} />}
        <form ref={form} key={value} className="form" onSubmit={submit}>
          <NumberField {...field} value={value} fault={fault} />
          <div className="row">
            {value !== null && (
              <button
                type="button"
                className="button"
                disabled={change.isPending}
                onClick={() => change.mutate(null)}
              >
                Remove the limit
              </button>
            )}
            <span className="grow" />
            <button type="button" className="button" onClick={() => dialog.current?.close()}>
              Close
            </button>
            <button type="submit" className="button main" disabled={change.isPending}>
              Set the limit
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
