/** Why a login with the provider came to nothing, and what to do: the server sends the word (`api/access/openid/errors.py`). */
const PROBLEMS: Record<string, { said: string; cure: string }> = {
  unreachable: {
    said: "The provider does not answer.",
    cure: "Try again in a minute. If it stays like this, tell whoever runs this server: it cannot reach the provider.",
  },
  misconfigured: {
    said: "This server and the provider do not fit together.",
    cure: "Tell whoever runs this server: its log names the setting, beside the request below.",
  },
  denied: {
    said: "The provider did not let you in, or you did not agree to it.",
    cure: "Log in again if that was not meant. Otherwise ask whoever manages the accounts there.",
  },
  stale: {
    said: "This login was begun in another browser, too long ago, or twice at once.",
    cure: "Begin again from here.",
  },
  refused: {
    said: "The provider refused this login.",
    cure: "Begin again: what it gave your browser works once only. If it happens again, tell whoever runs this server.",
  },
  clock: {
    said: "The clocks of this server and the provider differ by more than two minutes.",
    cure: "Tell whoever runs this server. Until the clocks agree, nobody can log in with the provider.",
  },
  untrusted: {
    said: "What the provider sent cannot be trusted.",
    cure: "Begin again. If it happens again, tell whoever runs this server: its log says what was wrong.",
  },
  no_role: {
    said: "You are known here now, but you are a member of no project yet.",
    cure: "Ask an administrator of a project to add you on its page of members. Then log in again.",
  },
};

/** Return what is said of a problem; null if there is none. */
export function problemOf(word: string | undefined): { said: string; cure: string } | null {
  if (word === undefined) return null;
  return PROBLEMS[word] ?? { said: "The login came to nothing.", cure: "Begin again from here." };
}
