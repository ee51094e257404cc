const ownFile = new URL(import.meta.url).pathname;

/** What a proxy puts before the server's addresses, such as `/evals-app`; empty without one. */
export const PREFIX = ownFile.slice(0, ownFile.lastIndexOf("/ui/"));

/** Return an address of the server as programs elsewhere need it. */
export function publicAddress(path: string): string {
  return `${location.origin}${PREFIX}${path}`;
}
