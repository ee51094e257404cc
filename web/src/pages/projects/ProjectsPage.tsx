import { useQuery } from "@tanstack/react-query";
import { projectsQuery } from "@/api/accessQueries";
import type { Project } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { ago, moment } from "@/format/times";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Page, PageHead, Scroll } from "@/layout/Page";
import { Failure, Skeleton } from "@/states/States";
import { useSession } from "@/states/session";
import { Name } from "@/text/SafeText";
import { ArchiveProject } from "./ArchiveProject";
import { NameProject } from "./NameProject";

/** The projects of the organization: what one holds, the keys and members of another do not see. */
export function ProjectsPage() {
  const projects = useQuery(projectsQuery);
  const found = projects.data ?? [];
  const open = found.filter((each) => each.status === "active");
  return (
    <Page crumbs={[{ name: "Projects" }]}>
      <PageHead
        title="Projects"
        facts={
          projects.data && (
            <>
              <span>{counted(open.length, "open project")}</span>
              {found.length > open.length && <span>{found.length - open.length} archived</span>}
            </>
          )
        }
        actions={projects.data && <NameProject />}
      />
      {projects.error && (
        <Failure
          error={projects.error}
          onRetry={projects.refetch}
          staleSince={projects.data && projects.dataUpdatedAt}
        />
      )}
      {projects.isPending && <Skeleton />}
      {projects.data && (
        <>
          <p className="second retention-words">
            What a project holds, keys and members of another one neither see nor change. You look at another
            project in the menu with your name.
          </p>
          <ProjectsTable projects={[...open, ...found.filter((each) => each.status !== "active")]} />
        </>
      )}
    </Page>
  );
}

function ProjectsTable({ projects }: { projects: readonly Project[] }) {
  const table = useRowKeys<HTMLTableElement>();
  const { project: own } = useSession();
  return (
    <Scroll label="Table of projects">
      <table ref={table} className="fixed projects-table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" className="c-id">
              Id
            </th>
            <th scope="col" className="c-count right">
              Evals
            </th>
            <th scope="col" className="c-count right">
              Keys
            </th>
            <th scope="col" className="c-count right">
              Members
            </th>
            <th scope="col" className="c-moment">
              Created
            </th>
            <th scope="col" className="c-state">
              State
            </th>
            <th scope="col" className="c-actions">
              <span className="hidden-text">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {projects.map((project) => (
            <tr key={project.id} className={project.status === "active" ? undefined : "over"}>
              <th scope="row">
                <Name text={project.name ?? project.id} />
                {project.id === own?.id && <span className="second"> · you look at it</span>}
              </th>
              <td className="mono">{project.id}</td>
              <td className="right">{count(project.evalhaven.evals)}</td>
              <td className="right">{count(project.evalhaven.keys)}</td>
              <td className="right">{count(project.evalhaven.members)}</td>
              {project.created_at === 0 ? (
                <td className="second" title="Nobody made it: each server has it from the start">
                  –
                </td>
              ) : (
                <td className="second" title={moment(project.created_at)}>
                  {ago(project.created_at)}
                </td>
              )}
              <td>{project.archived_at === null ? "open" : `archived ${moment(project.archived_at)}`}</td>
              <td>
                {project.status === "active" && (
                  <span className="row end">
                    <NameProject project={project} />
                    <ArchiveProject project={project} />
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
