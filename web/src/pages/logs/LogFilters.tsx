import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { moment } from "@/format/times";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { SearchField } from "@/parts/SearchField";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { AddLogFilter } from "./AddLogFilter";
import { KINDS, type LogsFilter, pairOf } from "./search";

const SPANS = [
  ["last hour", 3600],
  ["last 24 hours", 86_400],
  ["last 7 days", 7 * 86_400],
  ["last 30 days", 30 * 86_400],
] as const;

/** Every filter is a chip, and every chip is in the address. */
export function LogFilters({ filter }: { filter: LogsFilter }) {
  const navigate = useNavigate({ from: "/logs" });
  const change = useCallback(
    (changed: LogsFilter) =>
      navigate({ search: (before) => ({ ...before, ...changed, call: undefined }), replace: true }),
    [navigate],
  );
  const find = useCallback((text: string) => change({ text: text || undefined }), [change]);
  return (
    <div className="filters">
      <SearchField
        value={filter.text ?? ""}
        onSearch={find}
        label="Search calls"
        placeholder="Words in request or reply"
      />
      {chipsOf(filter).map((chip) => (
        <span key={`${chip.name} ${chip.value}`} className="chip chosen">
          <span className="key">
            <Name text={chip.name} />
          </span>
          <span className="cut">
            <Name text={chip.value} />
          </span>
          <button
            type="button"
            aria-label={`Remove filter: ${visibleText(`${chip.name} ${chip.value}`)}`}
            onClick={() => change(chip.without)}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
      <Menu label="Time" isSlim>
        {SPANS.map(([words, span]) => (
          <button
            key={words}
            type="button"
            onClick={() => change({ since: Math.floor(Date.now() / 1000) - span, until: undefined })}
          >
            {words}
          </button>
        ))}
        <button type="button" onClick={() => change({ since: undefined, until: undefined })}>
          any time
        </button>
      </Menu>
      <AddLogFilter filter={filter} onChange={change} />
    </div>
  );
}

type Chip = { name: string; value: string; without: LogsFilter };

function chipsOf(filter: LogsFilter): Chip[] {
  const chips: Chip[] = [];
  const { kind, model, metadata = [], since, until } = filter;
  if (kind !== undefined) chips.push({ name: "API", value: KINDS[kind], without: { kind: undefined } });
  if (model !== undefined) chips.push({ name: "model", value: model, without: { model: undefined } });
  for (const pair of metadata) {
    const [name, value] = pairOf(pair);
    const others = metadata.filter((each) => each !== pair);
    chips.push({ name, value, without: { metadata: others.length === 0 ? undefined : others } });
  }
  if (since !== undefined) chips.push({ name: "since", value: moment(since), without: { since: undefined } });
  if (until !== undefined) chips.push({ name: "until", value: moment(until), without: { until: undefined } });
  return chips;
}
