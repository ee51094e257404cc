import { useLayoutEffect, useRef } from "react";
import { ownAddress } from "@/api/place";
import type { Session } from "@/api/types";
import { LoginForm } from "./LoginForm";

/** Asks for a login over a page that is in use, which stays as it is below. */
export function LoginAgain({ session }: { session: Session }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      className="help-sheet confirm login"
      aria-labelledby="login-again"
      onCancel={(event) => event.preventDefault()}
    >
      <h2 id="login-again">Log in again</h2>
      <p>Your session has ended. This page stays as it is.</p>
      <LoginForm ways={session.ways_to_log_in} wanted={ownAddress()} />
    </dialog>
  );
}
