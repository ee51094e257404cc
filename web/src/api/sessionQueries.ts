import { queryOptions } from "@tanstack/react-query";
import { addressOf, get, post, remove } from "./client";

const FRESH_MS = 60_000;

/** Who is logged in, what they may do, and how somebody can log in. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => get("/api/session", { signal }),
  staleTime: FRESH_MS,
  // Somebody may log out, or look at another project, in another tab.
  refetchOnWindowFocus: "always",
});

export function logIn(key: string) {
  return post("/api/session", { body: { key } });
}

/** Let the session look at another project. */
export function lookAt(project: string) {
  return post("/api/session", { body: { project } });
}

export function logOut() {
  return remove("/api/session");
}

/** Return where somebody logs in with the provider, and comes back from to an address of the dashboard. */
export function providerAddress(wanted: string): string {
  return `${addressOf("/api/session", {}).replace(/session$/, "login/oidc")}?to=${encodeURIComponent(wanted)}`;
}
