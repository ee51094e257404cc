import type { RoleName } from "@/api/types";

export const ROLES: readonly RoleName[] = ["viewer", "editor", "admin"];

export const ROLE_MEANINGS: Record<RoleName, string> = {
  viewer: "sees everything in the project",
  editor: "also creates, changes, executes and deletes",
  admin: "also manages members, keys and limits",
};
