import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { adminKeysQuery, keysQuery } from "@/api/accessQueries";
import type { ApiKey } from "@/api/types";
import { counted } from "@/format/numbers";
import { Page, PageHead, Section } from "@/layout/Page";
import { Failure, Notice, Skeleton } from "@/states/States";
import { useMay, useSession } from "@/states/session";
import { CreateKey } from "./CreateKey";
import { KeysTable } from "./KeysTable";
import { NoKeys } from "./NoKeys";
import { stateOf } from "./words";

/** The API keys of the project and, for whoever operates the server, the admin keys. */
export function KeysPage() {
  const { access } = useSession();
  // The page stays as it is until the secret of the first key was copied.
  const [isOpen, setOpen] = useState(access === "open");
  const mayOperate = useMay("operate");
  const keys = useQuery(keysQuery);
  const admins = useQuery({ ...adminKeysQuery, enabled: mayOperate && !isOpen });
  const ofProject = keys.data?.data ?? [];
  const valid = ofProject.filter((each) => stateOf(each) === "valid").length;
  return (
    <Page crumbs={[{ name: "API keys" }]}>
      <PageHead
        title="API keys"
        facts={
          keys.data && (
            <>
              <span>{counted(valid, "valid key")} in this project</span>
              <span>{isOpen ? "requests need no key yet" : "every request needs a key"}</span>
            </>
          )
        }
        actions={keys.data && !isOpen && <CreateKey kind="project" />}
      />
      {keys.error && (
        <Failure error={keys.error} onRetry={keys.refetch} staleSince={keys.data && keys.dataUpdatedAt} />
      )}
      {keys.isPending && <Skeleton />}
      {keys.data && isOpen && (
        <>
          <Notice>
            <b>Whoever reaches this server may do everything, since no key was ever made.</b> That is meant
            for one person on one machine. From the first key on, every request needs one.
          </Notice>
          <NoKeys onDone={() => setOpen(false)} />
        </>
      )}
      {keys.data && !isOpen && <OfProject keys={ofProject} />}
      {admins.data && <OfAdmins keys={admins.data.data} />}
      {admins.error && <Failure error={admins.error} onRetry={admins.refetch} />}
    </Page>
  );
}

function OfProject({ keys }: { keys: readonly ApiKey[] }) {
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

function OfAdmins({ keys }: { keys: readonly ApiKey[] }) {
  return (
    <Section
      id="admin-keys"
      title="Admin keys"
      aside="allow everything in every project"
      end={<CreateKey kind="admin" />}
    >
      {keys.length === 0 ? (
        <p className="second">
          There is none. On the server's own machine <code>evalhaven keys create --admin</code> makes one at
          any time.
        </p>
      ) : (
        <KeysTable keys={keys} label="Table of admin keys" />
      )}
    </Section>
  );
}
