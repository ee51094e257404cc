import { type FormEvent, useCallback, useEffect, useState } from "react";
import type { ItemRow, ItemRowList } from "@/api/types";
import { count, counted } from "@/format/numbers";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";
import { filterWords } from "./filterChips";
import { type Column, ItemGrid } from "./ItemGrid";
import { type Rows, type Span, useListedRows, useRankedRows } from "./rows";
import { type ItemsFilter, type ItemsSearch, isFiltered } from "./search";

type Props = {
  runId: string;
  filter: ItemsFilter;
  fields: readonly string[];
  search: ItemsSearch;
  list: ItemRowList;
  columns: readonly Column[];
  onOpen: (row: ItemRow, place: number) => void;
};

/** Items that have ranks: any row can be gone to. */
export function RankedItems(props: Props) {
  const { list, search } = props;
  const total = list.total ?? 0;
  const [seen, setSeen] = useSpan(search.row);
  const rows = useRankedRows(props.runId, props.filter, props.fields, total, seen);
  const words = isFiltered(props.filter)
    ? `${count(total)} of ${counted(list.items, "item")}`
    : counted(total, "item");
  return <Table {...props} rows={rows} words={words} onSeen={setSeen} isRanked />;
}

/** Items that a search found, or those of a large run under way: one page follows the other. */
export function ListedItems(props: Props) {
  const [seen, setSeen] = useSpan(undefined);
  const rows = useListedRows(props.runId, props.filter, props.fields, seen);
  const words = rows.isMore
    ? `the first ${count(rows.count)} that were found${rows.isSearching ? ", searching …" : ""}`
    : `${counted(rows.count, "item")} of ${count(props.list.items)}`;
  return (
    <Table
      {...props}
      rows={rows}
      words={rows.isSearching && rows.count === 0 ? "searching …" : words}
      onSeen={setSeen}
    />
  );
}

function useSpan(row: number | undefined): [Span, (span: Span) => void] {
  const [seen, setSeen] = useState<Span>({ first: row ?? 0, last: (row ?? 0) + 1 });
  const change = useCallback(
    (span: Span) =>
      setSeen((before) => (before.first === span.first && before.last === span.last ? before : span)),
    [],
  );
  return [seen, change];
}

type TableProps = Props & { rows: Rows; words: string; onSeen: (span: Span) => void; isRanked?: boolean };

function Table({ filter, search, columns, rows, words, onOpen, onSeen, isRanked = false }: TableProps) {
  const [chosen, setChosen] = useState(search.row ?? 0);
  // The drawer moves to other items, and the address may name another row.
  useEffect(() => {
    if (search.row !== undefined) setChosen(search.row);
  }, [search.row]);
  const said = filterWords(filter);
  return (
    <>
      {rows.error != null && <Failure error={rows.error} />}
      {rows.count === 0 ? (
        <p className="nothing-found" role="status">
          {words === "searching …" ? "Searching …" : "No item is like this. Remove a filter to see more."}
        </p>
      ) : (
        <ItemGrid
          rows={rows}
          columns={columns}
          label="Items"
          chosen={Math.min(chosen, rows.count - 1)}
          onChoose={setChosen}
          onOpen={onOpen}
          onSeen={onSeen}
        />
      )}
      <div className="table-foot">
        <span role="status">
          {words}
          {said !== "" && (
            <>
              : <Name text={said} />
            </>
          )}
        </span>
        <span className="grow" />
        {isRanked && rows.count > 0 && <GoToRow rows={rows.count} chosen={chosen} onGo={setChosen} />}
        <span className="keys wide-only">
          <span>
            <kbd>j</kbd> <kbd>k</kbd> move
          </span>
          <span>
            <kbd>o</kbd> open
          </span>
          <span>
            <kbd>f</kbd> failed
          </span>
        </span>
      </div>
    </>
  );
}

/** Goes to a row by its number, counted from 1 as screen readers and people do. */
function GoToRow({ rows, chosen, onGo }: { rows: number; chosen: number; onGo: (place: number) => void }) {
  const [typed, setTyped] = useState<string>();
  const go = (event: FormEvent) => {
    event.preventDefault();
    const row = Number(typed);
    if (Number.isInteger(row) && row >= 1) onGo(Math.min(rows, row) - 1);
    setTyped(undefined);
  };
  return (
    <form className="go-to-row" onSubmit={go}>
      <label>
        Go to row{" "}
        <input
          inputMode="numeric"
          value={typed ?? chosen + 1}
          onFocus={(event) => event.currentTarget.select()}
          onChange={(event) => setTyped(event.target.value)}
          onBlur={() => setTyped(undefined)}
        />
      </label>
      <span>of {count(rows)}</span>
    </form>
  );
}
