import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useCallback, useState } from "react";
import { breakdownQuery, reportQuery } from "@/api/queries";
import type { RunComparison } from "@/api/types";
import { count } from "@/format/numbers";
import { CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { SearchField } from "@/parts/SearchField";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { type Bound, type CompareSearch, FROM_THE_START, type Mode, NO_FILTERS } from "./search";

const BOUNDS: readonly { name: Bound; label: string; chip: string }[] = [
  { name: "least_change", label: "Change of score, from", chip: "change of score ≥" },
  { name: "most_change", label: "to", chip: "change of score ≤" },
  { name: "least_score", label: "Score in the new run, from", chip: "new score ≥" },
  { name: "most_score", label: "to", chip: "new score ≤" },
];

/** Which items are shown: every filter is a chip, and every chip is in the address. */
export function ItemFilters({ shown, mode }: { shown: RunComparison; mode: Mode }) {
  const search = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  const [isOpen, setOpen] = useState(false);
  const find = useCallback(
    (text: string) =>
      navigate({
        search: (before) => ({ ...before, ...FROM_THE_START, text: text || undefined }),
        replace: true,
        resetScroll: false,
      }),
    [navigate],
  );
  const isFiltered = Object.keys(NO_FILTERS).some(
    (name) => search[name as keyof typeof NO_FILTERS] !== undefined,
  );
  return (
    <>
      <div className="filters address">
        <SearchField
          value={search.text ?? ""}
          onSearch={find}
          label="Search items"
          placeholder="Item or answer"
        />
        <span className="chip chosen">
          <span className="key">change</span>
          {mode}
        </span>
        <CriterionMenu shown={shown} chosen={search.criterion} />
        {search.group !== undefined && (
          <FilterChip word="group" value={search.group} without={{ group: undefined }} />
        )}
        {BOUNDS.map(({ name, chip }) =>
          search[name] === undefined ? null : (
            <FilterChip key={name} word={chip} value={String(search[name])} without={{ [name]: undefined }} />
          ),
        )}
        {search.text !== undefined && (
          <FilterChip word="text" value={search.text} without={{ text: undefined }} />
        )}
        <button type="button" className="chip adding" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <Icon name="plus" />
          Filter
        </button>
        {isFiltered && (
          <Link
            from="/compare"
            to="."
            search={(before) => ({ ...before, ...FROM_THE_START, ...NO_FILTERS })}
            className="small"
            resetScroll={false}
          >
            Clear
          </Link>
        )}
        <span className="grow" />
        <CopyLink />
      </div>
      {isOpen && <FilterForm runId={shown.candidate.run_id} />}
    </>
  );
}

function CriterionMenu({ shown, chosen }: { shown: RunComparison; chosen: string | undefined }) {
  return (
    <Menu
      label={chosen === undefined ? "Criterion: all together" : `Criterion: ${visibleText(chosen)}`}
      isSlim
    >
      {[undefined, ...shown.criteria.map((each) => each.name)].map((each) => (
        <Link
          key={each ?? ""}
          from="/compare"
          to="."
          search={(before) => ({ ...before, ...FROM_THE_START, criterion: each })}
          resetScroll={false}
        >
          {each === undefined ? "All together" : <Name text={each} />}
        </Link>
      ))}
    </Menu>
  );
}

function FilterChip({ word, value, without }: { word: string; value: string; without: CompareSearch }) {
  return (
    <Link
      from="/compare"
      to="."
      className="chip chosen"
      search={(before) => ({ ...before, ...FROM_THE_START, ...without })}
      activeProps={{}}
      aria-label={`Remove filter: ${word} ${visibleText(value)}`}
      resetScroll={false}
    >
      <span className="key">{word}</span>
      <span className="cut">
        <Name text={value} />
      </span>
      <Icon name="close" />
    </Link>
  );
}

/** Bounds of scores, and the groups of a field with few values. */
function FilterForm({ runId }: { runId: string }) {
  const search = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  const [field, setField] = useState(search.group?.split(":")[0] ?? "");
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const change: CompareSearch = { group: String(given.get("group") ?? "") || undefined };
    for (const { name } of BOUNDS) change[name] = boundOf(given.get(name));
    navigate({ search: (before) => ({ ...before, ...FROM_THE_START, ...change }), resetScroll: false });
  };
  return (
    <form className="filter-form" onSubmit={apply}>
      {BOUNDS.map(({ name, label }) => (
        <label key={name}>
          <span>{label}</span>
          <input type="number" step="any" name={name} defaultValue={search[name] ?? ""} />
        </label>
      ))}
      <GroupFields runId={runId} field={field} onField={setField} group={search.group} />
      <button type="submit" className="button main">
        Apply
      </button>
    </form>
  );
}

const MOST_VALUES = 200;

type GroupProps = {
  runId: string;
  field: string;
  onField: (name: string) => void;
  group: string | undefined;
};

function GroupFields({ runId, field, onField, group }: GroupProps) {
  const report = useQuery(reportQuery(runId, false));
  const broken = useQuery({ ...breakdownQuery(runId, field, false), enabled: field !== "" });
  const fields =
    report.data?.fields.filter((each) => each.values !== null && each.values <= MOST_VALUES) ?? [];
  const groups = broken.data?.breakdowns.find((each) => each.field === field)?.groups ?? [];
  if (report.data !== undefined && fields.length === 0) return null;
  return (
    <>
      <label>
        <span>Group by</span>
        <select value={field} onChange={(event) => onField(event.target.value)}>
          <option value="">no field</option>
          {fields.map((each) => (
            <option key={each.name} value={each.name}>
              {visibleText(each.name)}
            </option>
          ))}
        </select>
      </label>
      {field !== "" && (
        <label>
          <span>Value</span>
          <select key={`${field} ${groups.length}`} name="group" defaultValue={group}>
            {groups.map((each) => (
              <option key={String(each.value)} value={`${field}:${each.value}`}>
                {visibleText(String(each.value))} ({count(each.items)})
              </option>
            ))}
          </select>
        </label>
      )}
    </>
  );
}

function boundOf(given: FormDataEntryValue | null): number | undefined {
  const text = String(given ?? "").trim();
  return text === "" || Number.isNaN(Number(text)) ? undefined : Number(text);
}
