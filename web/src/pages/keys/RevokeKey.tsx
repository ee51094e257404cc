import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { remove } from "@/api/client";
import type { ApiKey } from "@/api/types";
import { ago } from "@/format/times";
import { Confirmation } from "@/parts/Confirmation";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

/** Revokes a key, after it was said which one and what follows. */
export function RevokeKey({ of: key }: { of: ApiKey }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const queries = useQueryClient();
  const revocation = useMutation({
    mutationFn: () =>
      key.project === null
        ? remove("/api/admin_keys/{key_id}", { path: { key_id: key.id } })
        : remove("/api/keys/{key_id}", { path: { key_id: key.id } }),
    onSuccess: () => {
      dialog.current?.close();
      queries.invalidateQueries({ queryKey: ["keys"] });
    },
  });
  return (
    <>
      <button
        type="button"
        data-row
        className="button slim"
        aria-label={`Revoke ${visibleText(key.name)}`}
        onClick={() => dialog.current?.showModal()}
      >
        Revoke
      </button>
      <Confirmation
        dialog={dialog}
        title={
          <>
            Revoke <Name text={key.name} />?
          </>
        }
        does="Revoke the key"
        act={revocation}
      >
        Whoever sends <span className="mono">{key.redacted_value}</span> is refused within a second, and
        whoever logged in with it is logged out.{" "}
        {key.last_used_at === null ? "It was never used." : `It was used last ${ago(key.last_used_at)}.`} This
        cannot be undone.
      </Confirmation>
    </>
  );
}
