import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { logIn, providerAddress, sessionQuery } from "@/api/sessionQueries";
import type { Session } from "@/api/types";
import { Failure } from "@/states/States";
import { visibleText } from "@/text/visible";

type Props = {
  ways: Session["ways_to_log_in"];
  /** The address of the dashboard to come back to from the provider. */
  wanted: string;
};

/** The ways to log in: with the provider, which leaves the page, and with a key, which does not. */
export function LoginForm({ ways, wanted }: Props) {
  const id = useId();
  const queries = useQueryClient();
  const [key, setKey] = useState("");
  const login = useMutation({
    mutationFn: () => logIn(key.trim()),
    onSuccess: (session) => {
      setKey("");
      queries.setQueryData(sessionQuery.queryKey, session);
      // What could not be read meanwhile is read now.
      void queries.invalidateQueries({
        predicate: (query) => query.queryKey[0] !== sessionQuery.queryKey[0],
      });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    login.mutate();
  };
  return (
    <div className="login-ways">
      {ways.provider !== null && (
        <a className="button main" href={providerAddress(wanted)}>
          Log in with {visibleText(ways.provider)}
        </a>
      )}
      {ways.provider !== null && ways.key && <p className="second or">or</p>}
      {ways.key && (
        <form onSubmit={submit}>
          <label htmlFor={id}>API key</label>
          <input
            id={id}
            type="password"
            value={key}
            required
            autoComplete="current-password"
            spellCheck={false}
            placeholder="sk-…"
            onChange={(event) => setKey(event.target.value)}
          />
          <p className="second small">
            You may do here what the key allows. <code>evalhaven keys create</code> makes one.
          </p>
          {login.error && <Failure error={login.error} />}
          <button
            type="submit"
            className={ways.provider === null ? "button main" : "button"}
            disabled={login.isPending}
          >
            {login.isPending ? "Logging in …" : "Log in with the key"}
          </button>
        </form>
      )}
    </div>
  );
}
