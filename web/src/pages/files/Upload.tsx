import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { uploadFile } from "@/api/fileQueries";
import { Icon } from "@/parts/Icon";
import { PermittedButton } from "@/parts/PermittedButton";
import { Failure } from "@/states/States";

/** Uploads files for evals, one after the other. */
export function Upload() {
  const queries = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const upload = useMutation({
    mutationFn: async (files: readonly File[]) => {
      for (const each of files) await uploadFile(each);
    },
    // Those before one that was refused are there.
    onSettled: () => queries.invalidateQueries({ queryKey: ["files"] }),
  });
  return (
    <>
      {upload.error && <Failure error={upload.error} />}
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={(event) => {
          upload.mutate([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
      <PermittedButton
        needs="write"
        className="button"
        disabled={upload.isPending}
        onClick={() => input.current?.click()}
      >
        <Icon name="plus" />
        {upload.isPending ? "Uploading …" : "Upload"}
      </PermittedButton>
    </>
  );
}
