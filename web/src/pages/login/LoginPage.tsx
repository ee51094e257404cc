import { useEffect } from "react";
import { ownAddress } from "@/api/place";
import type { Session } from "@/api/types";
import { ThemeSwitch } from "@/layout/ThemeSwitch";
import { CopyButton } from "@/parts/CopyButton";
import { Brand, Icon } from "@/parts/Icon";
import { visibleText } from "@/text/visible";
import { LoginForm } from "./LoginForm";
import { problemOf } from "./problems";
import { type LoginSearch, loginSearch } from "./search";

/** Stands for every page while nobody is logged in; its address stays, so that the page comes when somebody is. */
export function LoginPage({ session }: { session: Session }) {
  const address = ownAddress();
  const search = address.startsWith("/login") ? loginSearch(parametersOf(address)) : {};
  const wanted = address.startsWith("/login") ? (search.to ?? "/") : address;
  useEffect(() => {
    document.title = "Log in · Evalhaven";
  }, []);
  return (
    <main id="main" className="login" tabIndex={-1}>
      <div className="row">
        <Brand />
        <span className="grow" />
        <ThemeSwitch />
      </div>
      <h1>Log in to Evalhaven</h1>
      <Problem search={search} />
      <LoginForm ways={session.ways_to_log_in} wanted={wanted} />
      <p className="second small">{location.host}</p>
    </main>
  );
}

/** Why the last login with the provider came to nothing, and what to do about it. */
export function Problem({ search }: { search: LoginSearch }) {
  const problem = problemOf(search.problem);
  if (problem === null) return null;
  return (
    <div className="notice error" role="alert">
      <Icon name="error" className="error" />
      <div>
        <b>{problem.said}</b> {problem.cure}
        {search.request !== undefined && (
          <div className="second">
            Request <span className="mono">{visibleText(search.request)}</span>{" "}
            <CopyButton text={search.request} label="Copy request id" />
          </div>
        )}
      </div>
    </div>
  );
}

function parametersOf(address: string): Record<string, string> {
  return Object.fromEntries(new URL(address, location.origin).searchParams);
}
