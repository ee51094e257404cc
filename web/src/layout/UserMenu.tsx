import { useMutation, useQueryClient } from "@tanstack/react-query";
import { dashboardAddress } from "@/api/place";
import { logOut, lookAt } from "@/api/sessionQueries";
import type { Session } from "@/api/types";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { Failure } from "@/states/States";
import { useSession } from "@/states/session";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

const SWITCHED = "evalhaven.session";

/** Who uses this tab, in which project, and the way out; on a server without keys, that it has none. */
export function UserMenu() {
  const session = useSession();
  const { caller } = session;
  if (session.access === "open")
    return (
      <div className="server" title="Whoever reaches this server may do everything: evalhaven keys create">
        open: no API keys
      </div>
    );
  return caller === null ? null : <LoggedIn session={session} caller={caller} />;
}

function LoggedIn({ session, caller }: { session: Session; caller: NonNullable<Session["caller"]> }) {
  const queries = useQueryClient();
  // Whatever is on any page belongs to another project or person now.
  const begin = (address: string) => {
    queries.clear();
    localStorage.setItem(SWITCHED, String(Date.now()));
    location.assign(address);
  };
  const change = useMutation({ mutationFn: lookAt, onSuccess: () => begin(dashboardAddress("/evals")) });
  const leave = useMutation({
    mutationFn: logOut,
    onSuccess: ({ logout_url }) => begin(logout_url ?? dashboardAddress("/login")),
  });
  const failed = change.error ?? leave.error;
  return (
    <div className="user">
      {failed && <Failure error={failed} />}
      <Menu label={visibleText(caller.name)} icon="user" className="place">
        <div className="menu-head">
          <b>
            <Name text={caller.name} />
          </b>
          <div className="second">{whoIs(caller)}</div>
        </div>
        {session.projects.length > 1 && <div className="menu-title">Project</div>}
        {(session.projects.length > 1 ? session.projects : []).map((project) => (
          <button
            key={project.id}
            type="button"
            aria-current={project.id === session.project?.id ? "true" : undefined}
            onClick={() => project.id !== session.project?.id && change.mutate(project.id)}
          >
            <Icon name={project.id === session.project?.id ? "pass" : "right"} />
            <Name text={project.name} />
          </button>
        ))}
        <button type="button" onClick={() => leave.mutate()}>
          <Icon name="leave" />
          Log out
        </button>
      </Menu>
      {session.project && (
        <div className="server word">
          <Name text={session.project.name} />
        </div>
      )}
    </div>
  );
}

function whoIs(caller: NonNullable<Session["caller"]>): string {
  const role = caller.permissions.includes("operate") ? "administers the organization" : caller.role;
  const what = caller.kind === "key" ? "API key" : caller.email;
  return [what, role ?? (caller.permissions.join(", ") || "no member of this project")]
    .filter((each) => each !== null)
    .map(visibleText)
    .join(" · ");
}

/** Other tabs of this browser begin anew when one of them changes who is logged in, or the project. */
export function hearOtherTabs(): void {
  addEventListener("storage", (event) => {
    if (event.key === SWITCHED && event.newValue !== null) location.reload();
  });
}
