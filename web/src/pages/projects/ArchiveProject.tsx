import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useId, useRef } from "react";
import { post } from "@/api/client";
import type { Project } from "@/api/types";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

/** Archives a project, after it was said what follows. */
export function ArchiveProject({ project }: { project: Project }) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const queries = useQueryClient();
  const archiving = useMutation({
    mutationFn: () =>
      post("/v1/organization/projects/{project_id}/archive", { path: { project_id: project.id } }),
    onSuccess: () => {
      dialog.current?.close();
      queries.invalidateQueries({ queryKey: ["projects"] });
      queries.invalidateQueries({ queryKey: ["session"] });
    },
  });
  return (
    <>
      <button
        type="button"
        className="button slim"
        aria-label={`Archive ${visibleText(project.name ?? project.id)}`}
        onClick={() => dialog.current?.showModal()}
      >
        Archive
      </button>
      <dialog ref={dialog} className="help-sheet confirm" aria-labelledby={id}>
        <h2 id={id}>
          Archive <Name text={project.name ?? project.id} />?
        </h2>
        <p>
          Its keys are refused within a second, and nobody can look at it any more. What it holds stays, and
          runs under way end. It cannot be opened again.
        </p>
        {archiving.error && <Failure error={archiving.error} />}
        <form method="dialog" className="row">
          <span className="grow" />
          <button type="submit" className="button">
            Keep it open
          </button>
          <button
            type="button"
            className="button"
            disabled={archiving.isPending}
            onClick={() => archiving.mutate()}
          >
            Archive the project
          </button>
        </form>
      </dialog>
    </>
  );
}
