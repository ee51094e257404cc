import { type Search, textOf } from "@/format/search";

export type LoginSearch = {
  /** Why a login with the provider came to nothing. */
  problem?: string | undefined;
  /** By which the server's log tells more. */
  request?: string | undefined;
  /** What somebody wanted to see. */
  to?: string | undefined;
};

export function loginSearch(search: Search): LoginSearch {
  return {
    problem: textOf(search, "problem"),
    request: textOf(search, "request"),
    to: wayBack(textOf(search, "to")),
  };
}

/** An address of the dashboard, and of nothing else. */
function wayBack(address: string | undefined): string | undefined {
  return address !== undefined && /^\/(?![/\\])/.test(address) ? address : undefined;
}
