import { useQuery } from "@tanstack/react-query";
import { membersQuery } from "@/api/memberQueries";
import { counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { Empty, Failure, Skeleton } from "@/states/States";
import { useSession } from "@/states/session";
import { visibleText } from "@/text/visible";
import { AddMember } from "./AddMember";
import { MembersTable } from "./MembersTable";

/** Who is what in the project. */
export function MembersPage() {
  const members = useQuery(membersQuery);
  const { project, ways_to_log_in: ways } = useSession();
  const found = members.data?.data;
  return (
    <Page crumbs={[{ name: "Members" }]}>
      <PageHead
        title="Members"
        facts={
          <>
            {project && <span>project {visibleText(project.name)}</span>}
            {found && <span>{counted(found.length, "member")}</span>}
          </>
        }
        actions={ways.provider !== null && found && <AddMember members={found} />}
      />
      {members.error && (
        <Failure
          error={members.error}
          onRetry={members.refetch}
          staleSince={found && members.dataUpdatedAt}
        />
      )}
      {members.isPending && <Skeleton />}
      {found && found.length > 0 && <MembersTable members={found} />}
      {found?.length === 0 && <NoMembers provider={ways.provider} />}
    </Page>
  );
}

/** Why there are none, and how there would be. */
function NoMembers({ provider }: { provider: string | null }) {
  return (
    <Empty title="No members yet">
      {provider === null ? (
        <p>
          Members are people who log in with OpenID Connect, and this server has no provider:{" "}
          <code>EVALHAVEN_OIDC_ISSUER</code> names one. Until then, whoever has an API key of the project may
          do what the key allows.
        </p>
      ) : (
        <p>
          Whoever logs in with {visibleText(provider)} is known here from then on. Then they can be added,
          with a role.
        </p>
      )}
    </Empty>
  );
}
