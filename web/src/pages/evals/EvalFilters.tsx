import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { SearchField } from "@/parts/SearchField";
import {
  type EvalSort,
  type EvalStatus,
  type EvalsSearch,
  type EvalType,
  SORTS,
  STATUSES,
  TYPES,
} from "./search";

/** Which evals are shown, and in which order; all of it is in the address. */
export function EvalFilters({ search, shown }: { search: EvalsSearch; shown: string | undefined }) {
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
        <MenuLink change={{ type: undefined }}>All data</MenuLink>
        {(Object.keys(TYPES) as EvalType[]).map((type) => (
          <MenuLink key={type} change={{ type }}>
            {TYPES[type]}
          </MenuLink>
        ))}
      </Menu>
      <Menu label="Sort" isSlim>
        {(Object.keys(SORTS) as EvalSort[]).map((sort) => (
          <MenuLink key={sort} change={{ sort: sort === "last_run" ? undefined : sort }}>
            {SORTS[sort]}
          </MenuLink>
        ))}
      </Menu>
      <span className="grow" />
      <span className="second small" role="status">
        {shown}
      </span>
    </div>
  );
}

type ChipProps = { isChosen: boolean; change: EvalsSearch; children: React.ReactNode };

function FilterChip({ isChosen, change, children }: ChipProps) {
  return (
    <Link
      from="/evals"
      to="."
      className={isChosen ? "chip chosen" : "chip"}
      aria-current={isChosen ? "true" : undefined}
      search={(before) => ({ ...before, ...change })}
      activeProps={{}}
      replace
    >
      {children}
      {isChosen && <Icon name="close" />}
    </Link>
  );
}

function MenuLink({ change, children }: { change: EvalsSearch; children: string }) {
  return (
    <Link from="/evals" to="." search={(before) => ({ ...before, ...change })} replace>
      {children}
    </Link>
  );
}
