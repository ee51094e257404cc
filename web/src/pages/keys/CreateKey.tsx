import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { post } from "@/api/client";
import { logIn, sessionQuery } from "@/api/sessionQueries";
import type { NewApiKey } from "@/api/types";
import { Icon } from "@/parts/Icon";
import { faultOf } from "@/parts/NumberField";
import { Failure } from "@/states/States";
import { KeyForm, type KeyWish } from "./KeyForm";
import { NewKey } from "./NewKey";
import { REQUESTS } from "./words";

/** `first`: an admin key, as long as there is no key at all. */
export type KindOfKey = "project" | "admin" | "first";

const TITLES: Record<KindOfKey, string> = {
  project: "Create an API key",
  admin: "Create an admin key",
  first: "Create the first key",
};

/** Makes a key in a dialog, which shows its secret once. */
export function CreateKey({ kind, onDone }: { kind: KindOfKey; onDone?: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const queries = useQueryClient();
  const creation = useMutation({
    mutationFn: async (wish: KeyWish) => {
      const made = await create(kind, wish);
      // From now on every request needs a key: this tab is logged in with it before it asks anything else.
      const session = kind === "first" ? await logIn(made.value).catch(() => null) : null;
      if (session !== null) queries.setQueryData(sessionQuery.queryKey, session);
      return made;
    },
  });
  const isMade = creation.data !== undefined;
  const close = () => {
    dialog.current?.close();
    creation.reset();
    if (!isMade) return;
    onDone?.();
    queries.invalidateQueries();
  };
  return (
    <>
      <button
        type="button"
        className={kind === "first" ? "button main" : "button"}
        onClick={() => dialog.current?.showModal()}
      >
        <Icon name="plus" />
        {TITLES[kind]}
      </button>
      <dialog
        ref={dialog}
        className="help-sheet form-sheet"
        aria-labelledby={`create-${kind}`}
        // Escape would lose a secret that nobody has copied.
        onCancel={(event) => isMade && event.preventDefault()}
      >
        <h2 id={`create-${kind}`}>{isMade ? "Copy the key now" : TITLES[kind]}</h2>
        {creation.error && !faultOf(creation.error, REQUESTS.name) && <Failure error={creation.error} />}
        {isMade ? (
          <NewKey made={creation.data} isFirst={kind === "first"} onDone={close} />
        ) : (
          <KeyForm
            kind={kind}
            isSent={creation.isPending}
            error={creation.error}
            onSend={creation.mutate}
            onClose={close}
          />
        )}
      </dialog>
    </>
  );
}

async function create(kind: KindOfKey, wish: KeyWish): Promise<NewApiKey> {
  const { name, expires_at, ...allowed } = wish;
  return kind === "project"
    ? post("/api/keys", { body: { name, expires_at, ...allowed } })
    : post("/api/admin_keys", { body: { name, expires_at } });
}
