import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { actIn } from "@/api/client";
import { sessionQuery } from "@/api/sessionQueries";
import type { Session } from "@/api/types";
import { LoginAgain } from "@/pages/login/LoginAgain";
import { LoginPage } from "@/pages/login/LoginPage";
import { Failure, Skeleton } from "@/states/States";
import { NoProject } from "./NoProject";
import { hearOtherTabs } from "./UserMenu";

/** Lets in whoever is logged in. Who is not sees where to; who is no longer, over the page, which stays. */
export function Entrance({ children }: { children: ReactNode }) {
  const found = useQuery(sessionQuery);
  const session = found.data;
  const last = useRef<Session>(undefined);
  useEffect(hearOtherTabs, []);
  if (session === undefined)
    return (
      <main id="main" className="login" tabIndex={-1}>
        {found.error ? <Failure error={found.error} onRetry={found.refetch} /> : <Skeleton lines={3} />}
      </main>
    );
  const before = last.current;
  if (session.caller !== null) {
    // Somebody else has logged in: what is on the page is not theirs. Who has made the first key is still the same.
    const isNamed = before?.access === "open" && before.project?.id === session.project?.id;
    if (before !== undefined && !isNamed && whoseIs(before) !== whoseIs(session)) {
      location.reload();
      return null;
    }
    last.current = session;
    actIn(session.access === "open" ? null : (session.project?.id ?? null));
    if (session.caller.permissions.length === 0) return <NoProject session={session} />;
    return children;
  }
  if (before === undefined) return <LoginPage session={session} />;
  return (
    <>
      {children}
      <LoginAgain session={session} />
    </>
  );
}

function whoseIs(session: Session): string {
  return `${session.caller?.id} ${session.project?.id}`;
}
