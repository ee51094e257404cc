import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { breakdownQuery } from "@/api/queries";
import type { ItemRowList, Report } from "@/api/types";
import { Icon } from "@/parts/Icon";
import { useFilterPanel } from "@/parts/useFilterPanel";
import { visibleText } from "@/text/visible";
import { type CriterionOutcome, type ItemsFilter, type ItemsSearch, OUTCOMES } from "./search";

type Props = {
  runId: string;
  filter: ItemsFilter;
  list: ItemRowList | undefined;
  report: Report | undefined;
  onChange: (changed: ItemsSearch) => void;
};

/** A panel that adds a filter by a criterion, a range, an error, or a value of the items. */
export function AddFilter({ runId, filter, list, report, onChange }: Props) {
  const id = useId();
  const { opener, panel, isOpen, place } = useFilterPanel();
  const add = (changed: ItemsFilter) => {
    onChange(changed);
    panel.current?.hidePopover();
  };
  const names = list?.criteria.map((each) => each.name) ?? [];
  const errors = report?.errors ?? [];
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
        className="menu filter-panel"
        onToggle={place}
      >
        {isOpen && (
          <>
            {names.length > 0 && <ByCriterion names={names} filter={filter} onAdd={add} />}
            <ByRange names={names} filter={filter} onAdd={add} />
            {errors.length > 0 && <ByError errors={errors} filter={filter} onAdd={add} />}
            {report?.fields.some((field) => field.values !== null) && (
              <ByGroup runId={runId} report={report} filter={filter} onAdd={add} />
            )}
          </>
        )}
      </div>
    </>
  );
}

type PartProps = { filter: ItemsFilter; onAdd: (changed: ItemsFilter) => void };

function Part({
  title,
  children,
  onSubmit,
}: {
  title: string;
  children: ReactNode;
  onSubmit: (data: FormData) => void;
}) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSubmit(new FormData(event.currentTarget));
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

function Choice({
  name,
  label,
  options,
}: {
  name: string;
  label: string;
  options: readonly (readonly [string, string])[];
}) {
  return (
    <select name={name} aria-label={label}>
      {options.map(([value, word]) => (
        <option key={value} value={value}>
          {word}
        </option>
      ))}
    </select>
  );
}

function ByCriterion({ names, filter, onAdd }: PartProps & { names: readonly string[] }) {
  const submit = (data: FormData) => {
    const outcome = OUTCOMES.find((each) => each === data.get("outcome")) as CriterionOutcome;
    onAdd({ [outcome]: added(filter[outcome], String(data.get("criterion"))) });
  };
  const outcomes = [
    ["failed", "failed"],
    ["passed", "passed"],
    ["errored", "ended in an error"],
  ] as const;
  return (
    <Part title="By criterion" onSubmit={submit}>
      <Choice name="criterion" label="Criterion" options={names.map((name) => [name, visibleText(name)])} />
      <Choice name="outcome" label="Outcome" options={outcomes} />
    </Part>
  );
}

const FIGURES = [
  ["latency", "Latency, ms"],
  ["tokens", "Tokens"],
] as const;

function ByRange({ names, filter, onAdd }: PartProps & { names: readonly string[] }) {
  const submit = (data: FormData) => {
    const what = String(data.get("what"));
    const least = numberIn(data, "least");
    const most = numberIn(data, "most");
    if (what === "latency") onAdd({ least_latency: least, most_latency: most });
    else if (what === "tokens") onAdd({ least_tokens: least, most_tokens: most });
    else
      onAdd({
        criterion: what.slice("score ".length) || undefined,
        least_score: least,
        most_score: most,
        ...(filter.sort === "score" && { sort: undefined, order: undefined }),
      });
  };
  const options = [
    ...names.map((name) => [`score ${name}`, `Score of ${visibleText(name)}`] as const),
    ["score ", "Mean score"] as const,
    ...FIGURES,
  ];
  return (
    <Part title="By score, latency or tokens" onSubmit={submit}>
      <Choice name="what" label="Figure" options={options} />
      <input name="least" type="number" step="any" placeholder="from" aria-label="From" />
      <input name="most" type="number" step="any" placeholder="to" aria-label="To" />
    </Part>
  );
}

function ByError({ errors, filter, onAdd }: PartProps & { errors: Report["errors"] }) {
  return (
    <Part
      title="By error"
      onSubmit={(data) => onAdd({ error: added(filter.error, String(data.get("message"))) })}
    >
      <Choice
        name="message"
        label="Message of the error"
        options={errors.map((each) => [each.message, `${visibleText(each.message)} (${each.items})`])}
      />
    </Part>
  );
}

function ByGroup({ runId, report, filter, onAdd }: PartProps & { runId: string; report: Report }) {
  const fields = report.fields.filter((field) => field.values !== null).map((field) => field.name);
  const [field, setField] = useState(fields[0] ?? "");
  const values = useQuery(breakdownQuery(runId, field, false));
  const groups = values.data?.breakdowns.find((each) => each.field === field)?.groups ?? [];
  return (
    <Part
      title="By a field of the item"
      onSubmit={(data) => onAdd({ group: added(filter.group, `${field}:${String(data.get("value"))}`) })}
    >
      <select aria-label="Field" value={field} onChange={(event) => setField(event.target.value)}>
        {fields.map((each) => (
          <option key={each} value={each}>
            {visibleText(each)}
          </option>
        ))}
      </select>
      <select name="value" aria-label="Value">
        {groups.map((group) => {
          const value = group.value === null ? "null" : String(group.value);
          return (
            <option key={value} value={value}>
              {group.value === null ? "(none)" : visibleText(value)} ({group.items})
            </option>
          );
        })}
      </select>
    </Part>
  );
}

function added(values: string[] | undefined, value: string): string[] {
  return [...new Set([...(values ?? []), value])];
}

function numberIn(data: FormData, name: string): number | undefined {
  const text = String(data.get(name)).trim();
  return text === "" ? undefined : Number(text);
}
