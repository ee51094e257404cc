import type { IconName } from "@/parts/Icon";
import type { Permission } from "@/states/session";

export type Place = {
  name: string;
  to: string;
  icon: IconName;
  keys: string;
  /** Without this permission, the place is not shown. */
  needs?: Permission;
};

/** The rail: one line a place. `keys` leads there from anywhere. */
export const PLACES: readonly Place[] = [
  { name: "Evals", to: "/evals", icon: "evals", keys: "g e" },
  { name: "Runs", to: "/runs", icon: "runs", keys: "g r" },
  { name: "Logs", to: "/logs", icon: "logs", keys: "g l" },
  { name: "Files", to: "/files", icon: "files", keys: "g f" },
  { name: "Models", to: "/models", icon: "models", keys: "g m" },
  { name: "Webhooks", to: "/webhooks", icon: "webhooks", keys: "g h", needs: "manage" },
  { name: "Workers", to: "/workers", icon: "workers", keys: "g w" },
  { name: "Members", to: "/members", icon: "members", keys: "g p", needs: "manage" },
  { name: "Projects", to: "/projects", icon: "projects", keys: "g o", needs: "operate" },
  { name: "API keys", to: "/keys", icon: "keys", keys: "g k", needs: "manage" },
  { name: "Limits", to: "/limits", icon: "limits", keys: "g i" },
  { name: "Audit", to: "/audit", icon: "audit", keys: "g a", needs: "manage" },
];
