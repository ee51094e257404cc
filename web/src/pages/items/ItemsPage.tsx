import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { windowQuery } from "@/api/itemQueries";
import { publicAddress } from "@/api/place";
import { reportQuery, runQuery } from "@/api/queries";
import type { ItemRow, ItemRowList, RunById } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { isUnderWay } from "@/format/words";
import { useShortcut } from "@/keyboard/shortcuts";
import { ItemDrawer } from "@/pages/item/ItemDrawer";
import { Icon } from "@/parts/Icon";
import { Snippet } from "@/states/Snippet";
import { Empty, Failure, Notice, Skeleton } from "@/states/States";
import { columnsOf } from "./columns";
import { ITEMS, ItemFilters } from "./ItemFilters";
import { ListedItems, RankedItems } from "./ItemsTable";
import { RetryThese } from "./RetryThese";
import { itemsFilter } from "./search";

const NO_FIELDS: readonly string[] = [];

/** The items of a run as a table: any number of them, sorted and filtered by the server, each open beside it. */
export function ItemsPage() {
  const params = useParams({ from: "/evals/$evalId/runs/$runId" });
  const search = useSearch({ from: ITEMS });
  const navigate = useNavigate({ from: ITEMS });
  const filter = useMemo(() => itemsFilter(search), [search]);
  const fields = search.fields ?? NO_FIELDS;
  const run = useQuery(runQuery(params.runId));
  const isLive = run.data !== undefined && isUnderWay(run.data.status);
  const report = useQuery(reportQuery(params.runId, isLive));
  const list = useQuery(windowQuery(params.runId, filter, fields, 0));

  useShortcut("f", "only failed items", () =>
    navigate({ search: (before) => ({ ...before, status: ["fail"], row: undefined }), replace: true }),
  );
  const open = useCallback(
    (row: ItemRow, place: number) =>
      navigate({
        search: (before) => ({ ...before, item: row.id, row: place }),
        replace: search.item !== undefined,
        resetScroll: false,
      }),
    [navigate, search.item],
  );
  const isBeside = search.item !== undefined;
  const columns = useMemo(
    () => list.data && columnsOf({ list: list.data, report: report.data, filter, fields, params, isBeside }),
    [list.data, report.data, filter, fields, params, isBeside],
  );
  const shared = { runId: params.runId, filter, fields, search, onOpen: open };
  const isListed = list.data && (!list.data.ranked || filter.text !== undefined);
  return (
    <>
      <h2 className="hidden-text">Items</h2>
      <ItemFilters runId={params.runId} search={search} list={list.data} report={report.data} />
      {list.error && (
        <Failure
          error={list.error}
          onRetry={list.refetch}
          staleSince={list.data && !list.isPlaceholderData ? list.dataUpdatedAt : undefined}
        />
      )}
      {list.data && run.data && <Partial list={list.data} run={run.data} />}
      <RetryThese runId={params.runId} filter={filter} list={list.data} isLive={isLive} />
      {list.isPending && <Skeleton lines={12} />}
      {list.data && list.data.items === 0 && <NoItems isLive={isLive} params={params} />}
      {list.data && columns && list.data.items > 0 && !list.error && (
        <div className={list.isPlaceholderData ? "stale" : undefined}>
          {isListed ? (
            <ListedItems key={JSON.stringify(filter)} {...shared} list={list.data} columns={columns} />
          ) : (
            <RankedItems key={JSON.stringify(filter)} {...shared} list={list.data} columns={columns} />
          )}
        </div>
      )}
      {search.item !== undefined && (
        <ItemDrawer
          params={{ ...params, itemId: search.item }}
          filter={filter}
          fields={fields}
          row={search.row}
        />
      )}
    </>
  );
}

/** What is not in the table: items that are still to come, and those that a run which ended early never came to. */
function Partial({ list, run }: { list: ItemRowList; run: RunById }) {
  const queries = useQueryClient();
  const planned = list.items_planned;
  if (isUnderWay(run.status)) {
    const fresh = run.result_counts.total - list.items;
    return (
      <div className="partial-line" role="status">
        <span>
          Partial, {count(list.items)} of {planned === null ? "an unknown number" : count(planned)} items
          {!list.ranked && "; sorting and filters come when the run has ended"}
        </span>
        {fresh > 0 && (
          <button
            type="button"
            className="button slim"
            onClick={() => queries.invalidateQueries({ queryKey: ["items", run.id] })}
          >
            <Icon name="again" />
            {counted(fresh, "new item")}: show
          </button>
        )}
      </div>
    );
  }
  const missing = (planned ?? list.items) - list.items;
  if (!list.partial || missing <= 0) return null;
  return (
    <Notice>
      <b>{counted(missing, "item")} missing.</b> The run ended before it came to{" "}
      {missing === 1 ? "it" : "them"}. Missing items are not in this table, and count neither as failed nor as
      errors.
    </Notice>
  );
}

function NoItems({ isLive, params }: { isLive: boolean; params: { evalId: string; runId: string } }) {
  const path = `/v1/evals/${params.evalId}/runs/${params.runId}/output_items`;
  return (
    <Empty
      title={isLive ? "No item has ended yet" : "This run has no items"}
      snippet={<Snippet codes={({ curl }) => ({ curl: `${curl} ${publicAddress(path)}` })} />}
    >
      <p>
        {isLive
          ? "Items come to stand here as they end. Programs find them at this address."
          : "It ended before its first item. The report says why; a new run starts afresh."}
      </p>
    </Empty>
  );
}
