const ownFile = new URL(import.meta.url).pathname;

/** What a proxy puts before the server's addresses, such as `/evals-app`; empty without one. */
export const PREFIX = ownFile.slice(0, ownFile.lastIndexOf("/ui/"));

/** Return an address of the server as programs elsewhere need it. */
export function publicAddress(path: string): string {
  return `${location.origin}${PREFIX}${path}`;
}

/** Return where a page of the dashboard is, for what leads there with a new load. */
export function dashboardAddress(path: string): string {
  return `${PREFIX}/ui${path}`;
}

/** Return the address of the page that is shown, as the dashboard's own links have it. */
export function ownAddress(): string {
  return location.pathname.slice(`${PREFIX}/ui`.length) + location.search || "/";
}
