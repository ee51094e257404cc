import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { Page, PageHead } from "@/layout/Page";
import { Problem } from "./LoginPage";

/** `/login` for somebody who is logged in: on to what they wanted to see, or why another login came to nothing. */
export function LoggedInPage() {
  const search = useSearch({ from: "/login" });
  const navigate = useNavigate();
  const isDone = search.problem === undefined;
  useEffect(() => {
    if (isDone) void navigate({ href: search.to ?? "/evals", replace: true });
  }, [isDone, search.to, navigate]);
  if (isDone) return null;
  return (
    <Page crumbs={[{ name: "Log in" }]}>
      <PageHead title="You are logged in already" />
      <Problem search={search} />
    </Page>
  );
}
