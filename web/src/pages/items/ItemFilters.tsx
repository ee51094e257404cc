import { Link, useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import type { ItemRowList, Report } from "@/api/types";
import { count } from "@/format/numbers";
import { CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { OutcomeCount } from "@/parts/Outcome";
import { SearchField } from "@/parts/SearchField";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { AddFilter } from "./AddFilter";
import { ExportItems } from "./ExportItems";
import { chipsOf } from "./filterChips";
import { type ItemStatus, type ItemsSearch, itemsFilter } from "./search";

export const ITEMS = "/evals/$evalId/runs/$runId/items" as const;

type Props = {
  runId: string;
  search: ItemsSearch;
  list: ItemRowList | undefined;
  report: Report | undefined;
};

/** Every filter is a chip, and every chip is in the address. */
export function ItemFilters({ runId, search, list, report }: Props) {
  const navigate = useNavigate({ from: ITEMS });
  const change = useCallback(
    (changed: ItemsSearch) =>
      navigate({ search: (before) => ({ ...before, ...changed, row: undefined }), replace: true }),
    [navigate],
  );
  const find = useCallback((text: string) => change({ text: text || undefined }), [change]);
  const filter = itemsFilter(search);
  const isRanked = list?.ranked ?? true;
  return (
    <div className="filters">
      {isRanked && (
        <SearchField
          value={search.text ?? ""}
          onSearch={find}
          label="Search items"
          placeholder="Words in item or output"
        />
      )}
      {chipsOf({ ...filter, text: undefined }).map((chip) => (
        <span key={chip.key} className="chip chosen">
          <span className="key">
            <Name text={chip.name} />
          </span>
          <span className="cut">
            <Name text={chip.value} />
          </span>
          <button
            type="button"
            aria-label={`Remove filter: ${visibleText(`${chip.name} ${chip.value}`)}`}
            onClick={() => change({ ...chip.without, text: search.text })}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
      {report && search.status === undefined && <Offered report={report} />}
      {isRanked && <AddFilter runId={runId} filter={filter} list={list} report={report} onChange={change} />}
      <span className="grow" />
      {report && report.fields.length > 0 && <Fields report={report} chosen={search.fields ?? []} />}
      <ExportItems runId={runId} filter={filter} />
      <CopyLink />
    </div>
  );
}

/** The three ways in which items come out, as chips with their counts over the whole run. */
function Offered({ report }: { report: Report }) {
  const offered: { status: ItemStatus; items: number; word: string }[] = [
    { status: "fail", items: report.failed, word: "failed" },
    { status: "error", items: report.errored, word: report.errored === 1 ? "error" : "errors" },
    { status: "pass", items: report.passed, word: "passed" },
  ];
  return offered
    .filter((each) => each.items > 0)
    .map(({ status, items, word }) => (
      <Link
        key={status}
        from={ITEMS}
        to="."
        className="chip"
        search={(before: ItemsSearch) => ({ ...before, status: [status], row: undefined })}
        activeProps={{}}
        replace
      >
        <OutcomeCount kind={status}>{word}</OutcomeCount>
        <span className="key">{count(items)}</span>
      </Link>
    ));
}

/** Fields of the items as columns of their own. */
function Fields({ report, chosen }: { report: Report; chosen: readonly string[] }) {
  return (
    <Menu label="Columns" isSlim>
      {report.fields.map(({ name }) => {
        const isShown = chosen.includes(name);
        const fields = isShown ? chosen.filter((each) => each !== name) : [...chosen, name];
        return (
          <Link
            key={name}
            from={ITEMS}
            to="."
            search={(before: ItemsSearch) => ({
              ...before,
              fields: fields.length === 0 ? undefined : fields,
            })}
            activeProps={{}}
            replace
          >
            <Name text={name} />
            <span className="key">{isShown ? "shown" : ""}</span>
          </Link>
        );
      })}
    </Menu>
  );
}
