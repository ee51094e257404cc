import type { IconName } from "@/parts/Icon";

/** The rail: one line a place. `keys` leads there from anywhere. */
export const PLACES: readonly { name: string; to: string; icon: IconName; keys: string }[] = [
  { name: "Evals", to: "/evals", icon: "evals", keys: "g e" },
  { name: "Runs", to: "/runs", icon: "runs", keys: "g r" },
  { name: "Logs", to: "/logs", icon: "logs", keys: "g l" },
  { name: "Files", to: "/files", icon: "files", keys: "g f" },
  { name: "Models", to: "/models", icon: "models", keys: "g m" },
  { name: "Webhooks", to: "/webhooks", icon: "webhooks", keys: "g h" },
  { name: "Workers", to: "/workers", icon: "workers", keys: "g w" },
  { name: "API keys", to: "/keys", icon: "keys", keys: "g k" },
  { name: "Audit", to: "/audit", icon: "audit", keys: "g a" },
];
