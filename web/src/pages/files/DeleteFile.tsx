import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { remove } from "@/api/client";
import { counted } from "@/format/numbers";
import { Confirmation } from "@/parts/Confirmation";
import { PermittedButton } from "@/parts/PermittedButton";
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
      <Confirmation
        dialog={dialog}
        title={
          <>
            Delete <Name text={name} />?
          </>
        }
        does="Delete the file"
        act={deletion}
      >
        {runs === 0
          ? "No run has read it."
          : `${counted(runs, "run")} read it. Results that ended stay; no new run can read it.`}{" "}
        This cannot be undone.
      </Confirmation>
    </>
  );
}
