import type { UseMutationResult } from "@tanstack/react-query";
import { type ReactNode, type RefObject, useId } from "react";
import { Failure } from "@/states/States";

type Props = {
  dialog: RefObject<HTMLDialogElement | null>;
  title: ReactNode;
  keep?: string;
  does: string;
  act: UseMutationResult<unknown, Error, void>;
  children: ReactNode;
};

/** Says what follows from something that cannot be taken back, and does it if that is wanted. */
export function Confirmation({ dialog, title, keep = "Keep", does, act, children }: Props) {
  const id = useId();
  return (
    <dialog ref={dialog} className="help-sheet confirm" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <p>{children}</p>
      {act.error && <Failure error={act.error} />}
      <form method="dialog" className="row">
        <span className="grow" />
        <button type="submit" className="button">
          {keep}
        </button>
        <button type="button" className="button" disabled={act.isPending} onClick={() => act.mutate()}>
          {does}
        </button>
      </form>
    </dialog>
  );
}
