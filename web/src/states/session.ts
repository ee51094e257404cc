import { useQuery } from "@tanstack/react-query";
import { sessionQuery } from "@/api/sessionQueries";
import type { Session } from "@/api/types";

export type Permission = "read" | "write" | "models" | "manage" | "operate";

const MEANINGS: Record<Permission, string> = {
  read: "see what is in this project",
  write: "change anything in this project",
  models: "call models",
  manage: "manage this project",
  operate: "operate the server",
};

/** Who uses this tab. The shell shows no page before it is known; nobody may be logged in any more while a page stays. */
export function useSession(): Session {
  const session = useQuery(sessionQuery).data;
  if (session === undefined) throw new Error("a page is shown before it is known who uses it");
  return session;
}

/** Whether whoever uses this tab has a permission in the project that they look at. */
export function useMay(permission: Permission): boolean {
  return useSession().caller?.permissions.includes(permission) ?? false;
}

/** Why whoever uses this tab may not do what needs a permission; undefined where they may. */
export function useRefusal(permission: Permission): string | undefined {
  const { caller } = useSession();
  if (caller?.permissions.includes(permission)) return undefined;
  const whom = permission === "operate" ? "whoever runs the server" : "an administrator of the project";
  const cure = caller?.kind === "key" ? "Log in with a key that allows it." : `Ask ${whom}, if you need to.`;
  return `You may not ${MEANINGS[permission]}${roleOf(caller)}. ${cure}`;
}

function roleOf(caller: Session["caller"]): string {
  if (caller?.kind === "key") return " with this key";
  return caller?.role ? ` as ${caller.role}` : "";
}
