import { useMutation } from "@tanstack/react-query";
import { dashboardAddress } from "@/api/place";
import { logOut, lookAt } from "@/api/sessionQueries";
import type { Session } from "@/api/types";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";

/** For a person who is no member of the project that they look at: to another one, or out. */
export function NoProject({ session }: { session: Session }) {
  const change = useMutation({ mutationFn: lookAt, onSuccess: () => location.reload() });
  const leave = useMutation({
    mutationFn: logOut,
    onSuccess: ({ logout_url }) => location.assign(logout_url ?? dashboardAddress("/login")),
  });
  const failed = change.error ?? leave.error;
  return (
    <main id="main" className="login" tabIndex={-1}>
      <h1>You are no member of this project</h1>
      <p>
        {session.projects.length > 0
          ? "Choose one of yours, or ask an administrator of this one to add you."
          : "Ask an administrator of a project to add you on its page of members."}
      </p>
      {failed && <Failure error={failed} />}
      <div className="login-ways">
        {session.projects.map((project) => (
          <button key={project.id} type="button" className="button" onClick={() => change.mutate(project.id)}>
            <Name text={project.name} />
          </button>
        ))}
        <button type="button" className="button plain" onClick={() => leave.mutate()}>
          Log out
        </button>
      </div>
    </main>
  );
}
