import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { post } from "@/api/client";
import type { Project } from "@/api/types";
import { Confirmation } from "@/parts/Confirmation";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

/** Archives a project, after it was said what follows. */
export function ArchiveProject({ project }: { project: Project }) {
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
      <Confirmation
        dialog={dialog}
        title={
          <>
            Archive <Name text={project.name ?? project.id} />?
          </>
        }
        keep="Keep it open"
        does="Archive the project"
        act={archiving}
      >
        Its keys are refused within a second, and nobody can look at it any more. What it holds stays, and
        runs under way are canceled. It cannot be opened again.
      </Confirmation>
    </>
  );
}
