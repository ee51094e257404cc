import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import { auditExport, auditQuery } from "@/api/accessQueries";
import { counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { CopyLink } from "@/parts/CopyButton";
import { FilterChip, FilterLink } from "@/parts/FilterChip";
import { Icon } from "@/parts/Icon";
import { Menu } from "@/parts/Menu";
import { SearchField } from "@/parts/SearchField";
import { Listed, rowsOf } from "@/states/Listed";
import { Empty } from "@/states/States";
import { useMay } from "@/states/session";
import { Name } from "@/text/SafeText";
import { AuditTable } from "./AuditTable";
import { isFiltered } from "./search";
import { actionWords, KINDS, type Kind } from "./words";

/** What keys and people changed, newest first. */
export function AuditPage() {
  const search = useSearch({ from: "/audit" });
  const navigate = useNavigate({ from: "/audit" });
  const pages = useInfiniteQuery(auditQuery(search));
  const mayOperate = useMay("operate");
  const find = useCallback(
    (text: string) =>
      navigate({ search: (before) => ({ ...before, target: text || undefined }), replace: true }),
    [navigate],
  );
  const { of, action, caller, target } = search;
  const shown = `${pages.hasNextPage ? "the newest " : ""}${counted(rowsOf(pages.data).length, "entry", "entries")}`;
  return (
    <Page crumbs={[{ name: "Audit" }]} printed={location.search}>
      <PageHead
        title="Audit"
        facts={<span>what keys and people changed, kept for good</span>}
        actions={
          <>
            <CopyLink />
            <a className="button" href={auditExport(search)} download="audit.jsonl">
              <Icon name="download" />
              Export
            </a>
          </>
        }
      />
      <Listed
        pages={pages}
        one="entry"
        isFiltered={isFiltered(search) || of !== undefined}
        filters={
          <div className="filters">
            <SearchField
              value={target ?? ""}
              onSearch={find}
              label="Find what was changed"
              placeholder="Its id"
            />
            {mayOperate && (
              <FilterChip
                isChosen={of !== undefined}
                change={{ of: of === undefined ? "organization" : undefined }}
              >
                All projects
              </FilterChip>
            )}
            <Menu label={action === undefined ? "What" : actionWords(action)} isSlim>
              <FilterLink change={{ action: undefined }}>Everything</FilterLink>
              {(Object.keys(KINDS) as Kind[]).map((kind) => (
                <FilterLink key={kind} change={{ action: kind }}>
                  {KINDS[kind]}
                </FilterLink>
              ))}
            </Menu>
            {action !== undefined && (
              <FilterChip isChosen change={{ action: undefined }}>
                {KINDS[action as Kind] ?? action}
              </FilterChip>
            )}
            {caller !== undefined && (
              <FilterChip isChosen change={{ caller: undefined }}>
                <span className="key">by</span> <Name text={caller} />
              </FilterChip>
            )}
            <span className="grow" />
            <span className="second small" role="status">
              {pages.data && shown}
            </span>
          </div>
        }
        empty={<NothingChanged />}
      >
        {(rows) => <AuditTable entries={rows} hasProjects={of !== undefined} />}
      </Listed>
    </Page>
  );
}

function NothingChanged() {
  return (
    <Empty title="Nothing to show yet">
      <p>
        Who makes or revokes keys, changes projects and members, logs in, imports, or deletes evals, runs and
        files is written down here, with the request and its address.
      </p>
    </Empty>
  );
}
