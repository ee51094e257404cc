import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import type { RunOverview } from "@/api/types";
import { FilterChip, FilterLink } from "@/parts/FilterChip";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { SearchField } from "@/parts/SearchField";
import { Name } from "@/text/SafeText";
import { type RunStatusFilter, type RunsSearch, STATUSES } from "./search";

type Props = { search: RunsSearch; runs: readonly RunOverview[]; shown: string | undefined };

/** Which runs are shown; all of it is in the address. Models and evals to choose from are those in sight. */
export function RunFilters({ search, runs, shown }: Props) {
  const navigate = useNavigate({ from: "/runs" });
  const find = useCallback(
    (text: string) =>
      navigate({ to: ".", search: (before) => ({ ...before, search: text || undefined }), replace: true }),
    [navigate],
  );
  const models = [...new Set(runs.map((run) => run.model))].filter((model) => model !== "").sort();
  const evals = new Map(runs.map((run) => [run.eval_id, run.eval_name || run.eval_id]));
  return (
    <div className="filters">
      <SearchField
        value={search.search ?? ""}
        onSearch={find}
        label="Search runs"
        placeholder="Name, id or model"
      />
      {(Object.keys(STATUSES) as RunStatusFilter[]).map((status) => (
        <FilterChip
          key={status}
          isChosen={search.status === status}
          change={{ status: search.status === status ? undefined : status }}
        >
          {status === "failed" && <Icon name="error" className="error" />}
          {STATUSES[status]}
        </FilterChip>
      ))}
      {search.model === undefined ? (
        models.length > 1 && (
          <Menu label="Model" isSlim>
            {models.map((model) => (
              <FilterLink key={model} change={{ model }}>
                <Name text={model} />
              </FilterLink>
            ))}
          </Menu>
        )
      ) : (
        <FilterChip isChosen change={{ model: undefined }}>
          model <Name text={search.model} />
        </FilterChip>
      )}
      {search.eval === undefined ? (
        evals.size > 1 && (
          <Menu label="Eval" isSlim>
            {[...evals].map(([id, name]) => (
              <FilterLink key={id} change={{ eval: id }}>
                <Name text={name} />
              </FilterLink>
            ))}
          </Menu>
        )
      ) : (
        <FilterChip isChosen change={{ eval: undefined }}>
          eval <Name text={evals.get(search.eval) ?? search.eval} />
        </FilterChip>
      )}
      <span className="grow" />
      <span className="second small" role="status">
        {shown}
      </span>
    </div>
  );
}
