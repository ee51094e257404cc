import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { remove } from "@/api/client";
import { counted } from "@/format/numbers";
import { PermittedButton } from "@/parts/PermittedButton";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";

type Props = { fileId: string; name: string; runs: number };

/** Deletes a file, after it was said what that means. */
export function DeleteFile({ fileId, name, runs }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const deletion = useMutation({
    mutationFn: () => remove("/v1/files/{file_id}", { path: { file_id: fileId } }),
    onSuccess: async () => {
      await navigate({ to: "/files" });
      queries.removeQueries({ queryKey: ["file", fileId] });
      queries.invalidateQueries({ queryKey: ["files"] });
    },
  });
  return (
    <>
      <PermittedButton needs="write" className="button" onClick={() => dialog.current?.showModal()}>
        Delete
      </PermittedButton>
      <dialog ref={dialog} className="help-sheet confirm" aria-labelledby="delete-title">
        <h2 id="delete-title">
          Delete <Name text={name} />?
        </h2>
        <p>
          {runs === 0
            ? "No run has read it."
            : `${counted(runs, "run")} read it. Results that ended stay; no new run can read it.`}{" "}
          This cannot be undone.
        </p>
        {deletion.error && <Failure error={deletion.error} />}
        <form method="dialog" className="row">
          <span className="grow" />
          <button type="submit" className="button">
            Keep
          </button>
          <button
            type="button"
            className="button"
            disabled={deletion.isPending}
            onClick={() => deletion.mutate()}
          >
            Delete the file
          </button>
        </form>
      </dialog>
    </>
  );
}
