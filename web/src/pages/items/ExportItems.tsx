import { addressOf } from "@/api/client";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { type ItemsFilter, isFiltered } from "./search";

const FORMATS = ["jsonl", "csv"] as const;

type Props = { runId: string; filter: ItemsFilter };

/** Downloads of the items as the server writes them: what the table shows, in its order, and all. */
export function ExportItems({ runId, filter }: Props) {
  const isChosen = isFiltered(filter) || filter.sort !== undefined || filter.order !== undefined;
  const choices = [
    ...(isChosen ? [{ label: isFiltered(filter) ? "These items" : "In this order", filter }] : []),
    { label: "All items", filter: {} },
  ];
  return (
    <Menu label="Export" isSlim>
      {choices.flatMap((choice) =>
        FORMATS.map((format) => (
          <a
            key={`${choice.label}-${format}`}
            href={addressOf("/api/runs/{run_id}/export", {
              path: { run_id: runId },
              query: { ...choice.filter, format },
            })}
            download={`${runId}.${format}`}
          >
            <Icon name="download" />
            {choice.label}
            <span className="key">{format.toUpperCase()}</span>
          </a>
        )),
      )}
    </Menu>
  );
}
