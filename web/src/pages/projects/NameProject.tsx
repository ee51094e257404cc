import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useRef } from "react";
import { post } from "@/api/client";
import type { Project } from "@/api/types";
import { Icon } from "@/parts/Icon";
import { Failure } from "@/states/States";
import { visibleText } from "@/text/visible";

/** Gives a project another name; without one, makes a new project. */
export function NameProject({ project }: { project?: Project }) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const queries = useQueryClient();
  const naming = useMutation({
    mutationFn: (name: string) =>
      project === undefined
        ? post("/v1/organization/projects", { body: { name } })
        : post("/v1/organization/projects/{project_id}", {
            path: { project_id: project.id },
            body: { name },
          }),
    onSuccess: () => {
      dialog.current?.close();
      queries.invalidateQueries({ queryKey: ["projects"] });
      queries.invalidateQueries({ queryKey: ["session"] });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    naming.mutate(String(new FormData(event.currentTarget).get("name")).trim());
  };
  const title = project === undefined ? "Create a project" : "Rename the project";
  const open = () => {
    naming.reset();
    dialog.current?.showModal();
  };
  return (
    <>
      {project === undefined ? (
        <button type="button" className="button" onClick={open}>
          <Icon name="plus" />
          {title}
        </button>
      ) : (
        <button
          type="button"
          data-row
          className="button slim"
          aria-label={`Rename ${visibleText(project.name ?? project.id)}`}
          onClick={open}
        >
          Rename
        </button>
      )}
      <dialog ref={dialog} className="help-sheet form-sheet" aria-labelledby={id}>
        <h2 id={id}>{title}</h2>
        {naming.error && <Failure error={naming.error} />}
        <form className="form" onSubmit={submit}>
          <label>
            Name
            <input
              name="name"
              required
              pattern=".*\S.*"
              defaultValue={project?.name ?? ""}
              autoComplete="off"
            />
          </label>
          <div className="row">
            <span className="grow" />
            <button type="button" className="button" onClick={() => dialog.current?.close()}>
              Close
            </button>
            <button type="submit" className="button main" disabled={naming.isPending}>
              {project === undefined ? "Create" : "Rename"}
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
