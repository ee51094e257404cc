import { type FormEvent, type ReactNode, useId } from "react";
import { Icon } from "@/parts/Icon";
import { useFilterPanel } from "@/parts/useFilterPanel";
import { type CallKind, KINDS, type LogsFilter, pairOf } from "./search";

type Props = { filter: LogsFilter; onChange: (changed: LogsFilter) => void };

/** A panel that adds a filter by API, model, metadata or time. */
export function AddLogFilter({ filter, onChange }: Props) {
  const id = useId();
  const { opener, panel, isOpen, place } = useFilterPanel();
  const add = (changed: LogsFilter) => {
    onChange(changed);
    panel.current?.hidePopover();
  };
  return (
    <>
      <button
        ref={opener}
        type="button"
        className="chip adding"
        popoverTarget={id}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
      >
        <Icon name="plus" />
        Filter
      </button>
      <div
        ref={panel}
        id={id}
        popover="auto"
        role="dialog"
        aria-label="Add a filter"
        className="menu filter-panel log-filter-panel"
        onToggle={place}
      >
        <Part title="Model" onSubmit={(data) => add({ model: fieldOf(data, "model") })}>
          <input name="model" aria-label="Model" placeholder="gpt-5-mini" required />
        </Part>
        <Part title="Metadata" onSubmit={(data) => add({ metadata: withPair(filter, data) })}>
          <input name="key" aria-label="Key" placeholder="key" required pattern="[^=]+" />
          <input name="value" aria-label="Value" placeholder="value" />
        </Part>
        <Part title="API" onSubmit={(data) => add({ kind: fieldOf(data, "kind") as CallKind })}>
          <select name="kind" aria-label="API">
            {(Object.keys(KINDS) as CallKind[]).map((kind) => (
              <option key={kind} value={kind}>
                {KINDS[kind]}
              </option>
            ))}
          </select>
        </Part>
        <Part
          title="Time"
          onSubmit={(data) => add({ since: secondOf(data, "since"), until: secondOf(data, "until") })}
        >
          <input name="since" type="datetime-local" step="1" aria-label="Since" />
          <input name="until" type="datetime-local" step="1" aria-label="Until" />
        </Part>
      </div>
    </>
  );
}

type PartProps = { title: string; children: ReactNode; onSubmit: (data: FormData) => void };

function Part({ title, children, onSubmit }: PartProps) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSubmit(new FormData(event.currentTarget));
    event.currentTarget.reset();
  };
  return (
    <form onSubmit={submit} aria-label={title}>
      <h3>{title}</h3>
      <div className="row">
        {children}
        <button type="submit" className="button slim">
          Add
        </button>
      </div>
    </form>
  );
}

function fieldOf(data: FormData, name: string): string | undefined {
  const value = data.get(name);
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

/** A key has one value: another one takes its place. */
function withPair(filter: LogsFilter, data: FormData): string[] | undefined {
  const key = fieldOf(data, "key");
  if (key === undefined) return filter.metadata;
  const others = (filter.metadata ?? []).filter((pair) => pairOf(pair)[0] !== key);
  return [...others, `${key}=${fieldOf(data, "value") ?? ""}`];
}

/** Moments are typed in the reader's own time. */
function secondOf(data: FormData, name: string): number | undefined {
  const typed = fieldOf(data, name);
  const at = typed === undefined ? Number.NaN : new Date(typed).getTime();
  return Number.isFinite(at) ? Math.floor(at / 1000) : undefined;
}
