import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import { filesQuery } from "@/api/fileQueries";
import { counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { SearchField } from "@/parts/SearchField";
import { Listed, rowsOf } from "@/states/Listed";
import { FilesTable } from "./FilesTable";
import { NoFiles } from "./NoFiles";
import { Upload } from "./Upload";

/** Files that were uploaded, and what reads them. */
export function FilesPage() {
  const { search } = useSearch({ from: "/files" });
  const navigate = useNavigate({ from: "/files" });
  const find = useCallback(
    (text: string) => navigate({ search: { search: text || undefined }, replace: true }),
    [navigate],
  );
  const pages = useInfiniteQuery(filesQuery(search));
  const shown = `${pages.hasNextPage ? "the newest " : ""}${counted(rowsOf(pages.data).length, "file")}`;
  return (
    <Page crumbs={[{ name: "Files" }]}>
      <PageHead title="Files" actions={<Upload />} />
      <Listed
        pages={pages}
        one="file"
        isFiltered={search !== undefined}
        filters={
          <div className="filters">
            <SearchField value={search ?? ""} onSearch={find} label="Search files" placeholder="Name or id" />
            <span className="grow" />
            <span className="second small" role="status">
              {pages.data && shown}
            </span>
          </div>
        }
        empty={<NoFiles />}
      >
        {(rows) => <FilesTable files={rows} />}
      </Listed>
    </Page>
  );
}
