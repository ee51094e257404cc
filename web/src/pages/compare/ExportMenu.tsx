import { useSearch } from "@tanstack/react-router";
import { addressOf } from "@/api/client";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { MODES } from "./search";

/** Downloads of what is compared, as the server writes them, and print. */
export function ExportMenu({ run, base }: { run: string; base: string }) {
  const search = useSearch({ from: "/compare" });
  const { change, criterion, group, text, sort, order, margin } = search;
  const { least_change, most_change, least_score, most_score } = search;
  const chosen = change === undefined ? [] : [...MODES[change]];
  const filter = { criterion, group, text, sort, order, least_change, most_change, least_score, most_score };
  const all = addressOf("/api/compare/export", { query: { run, base } });
  const filtered = addressOf("/api/compare/export", { query: { run, base, change: chosen, ...filter } });
  const figures = addressOf("/api/compare", { query: { runs: [run], base, margin } });
  return (
    <Menu label="Export">
      {filtered !== all && (
        <a href={filtered} download={`compared-${run}-filtered.jsonl`}>
          <Icon name="download" />
          Items as they are filtered
          <span className="key">JSONL</span>
        </a>
      )}
      <a href={all} download={`compared-${run}.jsonl`}>
        <Icon name="download" />
        All items, both sides
        <span className="key">JSONL</span>
      </a>
      <a href={figures} download={`comparison-${run}.json`}>
        <Icon name="download" />
        Figures and intervals
        <span className="key">JSON</span>
      </a>
      <button type="button" onClick={() => window.print()}>
        <Icon name="download" />
        Print, or save as PDF
      </button>
    </Menu>
  );
}
