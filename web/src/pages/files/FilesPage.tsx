import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import { filesQuery } from "@/api/fileQueries";
import { counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { SearchField } from "@/parts/SearchField";
import { Failure, Skeleton } from "@/states/States";
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
  const files = pages.data?.pages.flatMap((page) => page.data) ?? [];
  const isEmpty = pages.data !== undefined && files.length === 0;
  const isNew = isEmpty && search === undefined;
  return (
    <Page crumbs={[{ name: "Files" }]}>
      <PageHead title="Files" actions={<Upload />} />
      {!isNew && (
        <div className="filters">
          <SearchField value={search ?? ""} onSearch={find} label="Search files" placeholder="Name or id" />
          <span className="grow" />
          <span className="second small" role="status">
            {pages.data && `${pages.hasNextPage ? "the newest " : ""}${counted(files.length, "file")}`}
          </span>
        </div>
      )}
      {pages.error && (
        <Failure error={pages.error} onRetry={pages.refetch} staleSince={pages.data && pages.dataUpdatedAt} />
      )}
      {pages.isPending && <Skeleton />}
      {isNew && <NoFiles />}
      {isEmpty && !isNew && <p className="nothing-found">No file is called so.</p>}
      {files.length > 0 && <FilesTable files={files} />}
      {pages.hasNextPage && (
        <p className="table-foot">
          <button
            type="button"
            className="button"
            disabled={pages.isFetchingNextPage}
            onClick={() => pages.fetchNextPage()}
          >
            Show more
          </button>
        </p>
      )}
    </Page>
  );
}
