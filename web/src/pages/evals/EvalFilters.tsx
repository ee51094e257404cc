import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import type { EvalOverview } from "@/api/types";
import { count } from "@/format/numbers";
import { FilterChip, FilterLink } from "@/parts/FilterChip";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { SearchField } from "@/parts/SearchField";
import { CHANGES, changeOf, type EvalChange } from "./change";
import {
  type EvalSort,
  type EvalStatus,
  type EvalsSearch,
  type EvalType,
  SORTS,
  STATUSES,
  TYPES,
} from "./search";

type Props = { search: EvalsSearch; evals: readonly EvalOverview[]; shown: string | undefined };

/** Which evals are shown, and in which order; all of it is in the address. */
export function EvalFilters({ search, evals, shown }: Props) {
  const navigate = useNavigate({ from: "/evals" });
  const find = useCallback(
    (text: string) =>
      navigate({ search: (before) => ({ ...before, search: text || undefined }), replace: true }),
    [navigate],
  );
  return (
    <div className="filters">
      <SearchField
        value={search.search ?? ""}
        onSearch={find}
        label="Search evals"
        placeholder="Name or id"
      />
      {CHANGES.map((change) => (
        <ChangeChip key={change} change={change} search={search} evals={evals} />
      ))}
      {(Object.keys(STATUSES) as EvalStatus[]).map((status) => (
        <FilterChip
          key={status}
          isChosen={search.status === status}
          change={{ status: search.status === status ? undefined : status }}
        >
          {status === "failed" && <Icon name="error" className="error" />}
          {STATUSES[status]}
        </FilterChip>
      ))}
      <Menu label={search.type === undefined ? "Data" : TYPES[search.type]} isSlim>
        <FilterLink change={{ type: undefined }}>All data</FilterLink>
        {(Object.keys(TYPES) as EvalType[]).map((type) => (
          <FilterLink key={type} change={{ type }}>
            {TYPES[type]}
          </FilterLink>
        ))}
      </Menu>
      <Menu label="Sort" isSlim>
        {(Object.keys(SORTS) as EvalSort[]).map((sort) => (
          <FilterLink key={sort} change={{ sort: sort === "last_run" ? undefined : sort }}>
            {SORTS[sort]}
          </FilterLink>
        ))}
      </Menu>
      <span className="grow" />
      <span className="second small" role="status">
        {shown}
      </span>
    </div>
  );
}

const GLYPHS: Record<EvalChange, string> = { worse: "▼", better: "▲" };

type ChipProps = { change: EvalChange; search: EvalsSearch; evals: readonly EvalOverview[] };

/** How many evals became worse, or better, with their last run; nothing where none did. */
function ChangeChip({ change, search, evals }: ChipProps) {
  const isChosen = search.change === change;
  const number = evals.filter((each) => changeOf(each) === change).length;
  if (number === 0 && !isChosen) return null;
  return (
    <FilterChip isChosen={isChosen} change={{ change: isChosen ? undefined : change }}>
      <span className={`delta ${change}`} aria-hidden="true">
        {GLYPHS[change]}
      </span>
      {count(number)} {change}
      {change === "worse" && " than the run before"}
    </FilterChip>
  );
}
