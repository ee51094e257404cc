import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { breakdownQuery, reportQuery } from "@/api/queries";
import type { RunComparison } from "@/api/types";
import { count } from "@/format/numbers";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { BOUNDS, type CompareSearch, FROM_THE_START } from "./search";

const MOST_VALUES = 200;

/** Bounds of scores, and the groups of a field with few values; of the run whose items are shown. */
export function FilterForm({ shown, onDone }: { shown: RunComparison; onDone: () => void }) {
  const search = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  const { run_id: runId, name } = shown.candidate;
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const change: CompareSearch = { group: String(given.get("group") ?? "") || undefined };
    for (const bound of BOUNDS) change[bound] = boundOf(given.get(bound));
    navigate({ search: (before) => ({ ...before, ...FROM_THE_START, ...change }), resetScroll: false });
    onDone();
  };
  return (
    <form className="filter-form" aria-label="Filter items" onSubmit={apply}>
      <fieldset>
        <legend>Change of score</legend>
        <Range names={["least_change", "most_change"]} label="Change of score" search={search} />
      </fieldset>
      <fieldset>
        <legend>
          Score in <Name text={name || runId} />
        </legend>
        <Range names={["least_score", "most_score"]} label="Score" search={search} />
      </fieldset>
      <GroupFields key={runId} runId={runId} group={search.group} />
      <button type="submit" className="button main">
        Apply
      </button>
    </form>
  );
}

type RangeProps = {
  names: readonly [(typeof BOUNDS)[number], (typeof BOUNDS)[number]];
  label: string;
  search: CompareSearch;
};

function Range({ names, label, search }: RangeProps) {
  return (
    <span className="row">
      {names.map((name, place) => (
        <input
          key={name}
          type="number"
          step="any"
          name={name}
          aria-label={`${label}, ${place === 0 ? "from" : "to"}`}
          placeholder={place === 0 ? "from" : "to"}
          defaultValue={search[name] ?? ""}
        />
      ))}
    </span>
  );
}

function GroupFields({ runId, group }: { runId: string; group: string | undefined }) {
  const [field, setField] = useState(group?.split(":")[0] ?? "");
  const report = useQuery(reportQuery(runId, false));
  const broken = useQuery({ ...breakdownQuery(runId, field, false), enabled: field !== "" });
  const fields =
    report.data?.fields
      .filter((each) => each.values !== null && each.values <= MOST_VALUES)
      .map((each) => each.name) ?? [];
  const groups = broken.data?.breakdowns.find((each) => each.field === field)?.groups ?? [];
  const values = groups.map((each) => ({
    named: `${field}:${each.value}`,
    text: String(each.value),
    items: each.items,
  }));
  // What the address says stays what is chosen, even where this run has no such item.
  const isForeign = group?.startsWith(`${field}:`) && !values.some((each) => each.named === group);
  if (report.error) return <Failure error={report.error} onRetry={report.refetch} />;
  if (report.data !== undefined && fields.length === 0 && group === undefined) return null;
  return (
    <fieldset>
      <legend>Group by a field of the item</legend>
      <span className="row">
        <select aria-label="Field" value={field} onChange={(event) => setField(event.target.value)}>
          <option value="">any</option>
          {[...new Set(field === "" ? fields : [...fields, field])].map((each) => (
            <option key={each} value={each}>
              {visibleText(each)}
            </option>
          ))}
        </select>
        {field !== "" && (
          <select
            key={`${field} ${values.length}`}
            name="group"
            aria-label="Value"
            disabled={broken.isPending}
            defaultValue={group}
          >
            {isForeign && <option value={group}>{visibleText(group?.slice(field.length + 1) ?? "")}</option>}
            {values.map((each) => (
              <option key={each.named} value={each.named}>
                {each.text === "" ? "(empty)" : visibleText(each.text)} ({count(each.items)})
              </option>
            ))}
          </select>
        )}
      </span>
      {broken.error && <Failure error={broken.error} onRetry={broken.refetch} />}
    </fieldset>
  );
}

function boundOf(given: FormDataEntryValue | null): number | undefined {
  const text = String(given ?? "").trim();
  return text === "" || Number.isNaN(Number(text)) ? undefined : Number(text);
}
