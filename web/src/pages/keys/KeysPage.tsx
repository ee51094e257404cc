import { useQuery } from "@tanstack/react-query";
import { adminKeysQuery, keysQuery, serverQuery } from "@/api/accessQueries";
import { ApiError } from "@/api/client";
import { counted } from "@/format/numbers";
import { Page, PageHead, Section } from "@/layout/Page";
import { Failure, Notice, Skeleton } from "@/states/States";
import { CreateKey } from "./CreateKey";
import { KeysTable } from "./KeysTable";
import { NoKeys } from "./NoKeys";
import { stateOf } from "./words";

/** The API keys of the project and, for who operates the server, the admin keys. */
export function KeysPage() {
  const server = useQuery(serverQuery);
  const keys = useQuery(keysQuery);
  const admins = useQuery(adminKeysQuery);
  const isOpen = server.data?.access === "open";
  const ofProject = keys.data?.data ?? [];
  const ofAdmins = admins.data?.data ?? [];
  // Who may not operate the server is not shown its keys: that is no failure.
  const isRefused = admins.error instanceof ApiError && admins.error.status === 403;
  const valid = ofProject.filter((each) => stateOf(each) === "valid").length;
  return (
    <Page crumbs={[{ name: "API keys" }]}>
      <PageHead
        title="API keys"
        facts={
          keys.data &&
          server.data && (
            <>
              <span>{counted(valid, "valid key")} in this project</span>
              <span>{isOpen ? "requests need no key yet" : "every request needs a key"}</span>
            </>
          )
        }
        actions={server.data && keys.data && !isOpen && <CreateKey kind="project" />}
      />
      {keys.error && (
        <Failure error={keys.error} onRetry={keys.refetch} staleSince={keys.data && keys.dataUpdatedAt} />
      )}
      {(keys.isPending || server.isPending) && <Skeleton />}
      {server.data && keys.data && (
        <>
          {isOpen && (
            <Notice>
              <b>Whoever reaches this server may do everything, since no key was ever made.</b> That is meant
              for one person on one machine. From the first key on, every request needs one.
            </Notice>
          )}
          {isOpen ? <NoKeys /> : <OfProject keys={ofProject} />}
        </>
      )}
      {!isOpen && admins.data && (
        <Section
          id="admin-keys"
          title="Admin keys"
          aside="allow everything in every project"
          end={<CreateKey kind="admin" />}
        >
          {ofAdmins.length === 0 ? (
            <p className="second">
              There is none. On the server's own machine <code>evalhaven keys create --admin</code> makes one
              at any time.
            </p>
          ) : (
            <KeysTable keys={ofAdmins} label="Table of admin keys" />
          )}
        </Section>
      )}
      {admins.error && !isRefused && !keys.error && <Failure error={admins.error} onRetry={admins.refetch} />}
    </Page>
  );
}

function OfProject({ keys }: { keys: Parameters<typeof KeysTable>[0]["keys"] }) {
  return (
    <Section id="project-keys" title="Keys of this project" aside="open this project only">
      {keys.length === 0 ? (
        <p className="second">
          This project has none yet. Make one for each program or person, so that each can be revoked alone.
        </p>
      ) : (
        <KeysTable keys={keys} label="Table of keys" />
      )}
    </Section>
  );
}
