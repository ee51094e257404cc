import { addressOf } from "@/api/client";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import type { ItemStatus } from "./search";

const FORMATS = ["jsonl", "csv"] as const;
const WORDS: Record<ItemStatus, string> = { pass: "Passed", fail: "Failed", error: "Errored" };

type Props = { runId: string; statuses: readonly ItemStatus[] };

/** Downloads of the items as the server writes them: all of them, and those of the statuses that are chosen. */
export function ExportItems({ runId, statuses }: Props) {
  return (
    <Menu label="Export" isSlim>
      {[...statuses, undefined].flatMap((status) =>
        FORMATS.map((format) => (
          <a
            key={`${status}-${format}`}
            href={addressOf("/api/runs/{run_id}/export", {
              path: { run_id: runId },
              query: { format, status },
            })}
            download={[runId, status, format].filter(Boolean).join(".")}
          >
            <Icon name="download" />
            {status === undefined ? "All items" : `${WORDS[status]} items`}
            <span className="key">{format.toUpperCase()}</span>
          </a>
        )),
      )}
    </Menu>
  );
}
