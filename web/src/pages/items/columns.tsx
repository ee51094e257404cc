import { Link } from "@tanstack/react-router";
import type { ItemRow, ItemRowList, Report } from "@/api/types";
import { count } from "@/format/numbers";
import { seconds } from "@/format/times";
import { Outcome } from "@/parts/Outcome";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { CriterionSummary, SpreadSummary } from "./HeadSummary";
import type { Column } from "./ItemGrid";
import { kindOf, ResultCell } from "./ResultCell";
import type { ItemSort, ItemsFilter, ItemsSearch } from "./search";

const MOST_CRITERIA = 6;
const ROUTE = "/evals/$evalId/runs/$runId/items" as const;

type Given = {
  list: ItemRowList;
  report: Report | undefined;
  filter: ItemsFilter;
  fields: readonly string[];
  params: { evalId: string; runId: string };
  /** Whether an item is open beside the table: what that shows anyway is left out here. */
  isBeside: boolean;
};

/** The columns of the table of items: what each criterion said, then texts, then figures. */
export function columnsOf({ list, report, filter, fields, params, isBeside }: Given): Column[] {
  const criteria = list.criteria.slice(0, MOST_CRITERIA);
  const hasExpected = list.expected_field !== null || list.data.some((row) => row.expected !== null);
  const hasLatency = report?.latency_ms != null || list.data.some((row) => row.latency_ms !== null);
  const first: Column[] = [
    {
      key: "position",
      width: `${16 + 8 * String(list.items_planned ?? list.items).length}px`,
      isRight: true,
      sorted: sortedBy(filter, "position"),
      head: <SortLink name="#" filter={filter} sort="position" isSortable={list.ranked} />,
      cell: (row) => (
        <span className="second">
          {row.datasource_item_id}
          {row.repeat > 0 && <span title={`sample ${row.repeat + 1} of this item`}>·{row.repeat + 1}</span>}
        </span>
      ),
    },
    ...(criteria.length !== list.criteria.length || criteria.length === 0 ? [outcomeColumn()] : []),
    ...criteria.map((criterion, place): Column => {
      const told = report?.criteria[place];
      return {
        key: `criterion ${place}`,
        width: isBeside ? "62px" : "minmax(78px, 0.45fr)",
        sorted: filter.criterion === criterion.name ? sortedBy(filter, "score") : undefined,
        head: (
          <>
            <SortLink
              name={criterion.name}
              filter={filter}
              sort="score"
              criterion={criterion.name}
              isSortable={list.ranked}
            />
            {told && <CriterionSummary criterion={told} />}
          </>
        ),
        cell: (row) => <ResultCell row={row} result={row.results[place]} type={criterion.type} />,
      };
    }),
    {
      key: "input",
      width: "minmax(120px, 2fr)",
      head: "Input",
      cell: (row) => (
        <Link
          to="/evals/$evalId/runs/$runId/items/$itemId"
          params={{ ...params, itemId: row.id }}
          search={filter}
          tabIndex={-1}
          preload={false}
          title={row.input === null ? undefined : visibleText(row.input)}
        >
          <Name text={row.input || "(empty)"} />
        </Link>
      ),
    },
    ...fields.map(
      (field): Column => ({
        key: `field ${field}`,
        width: "minmax(80px, 1fr)",
        head: <Name text={field} />,
        cell: (row) => <OptionalText text={row.fields[field]} />,
      }),
    ),
  ];
  if (isBeside) return first;
  return [
    ...first,
    {
      key: "output",
      width: "minmax(120px, 2fr)",
      head: "Output",
      cell: (row) =>
        row.error === null ? (
          <OptionalText text={row.output} />
        ) : (
          <span className="error-words" title={visibleText(row.error.message)}>
            <Name text={row.error.message} />
          </span>
        ),
    },
    ...(hasExpected
      ? [
          {
            key: "expected",
            width: "minmax(72px, 0.7fr)",
            head: "Expected",
            cell: (row: ItemRow) => <OptionalText text={row.expected} />,
          },
        ]
      : []),
    ...(hasLatency
      ? [
          {
            key: "latency",
            width: "94px",
            isRight: true,
            sorted: sortedBy(filter, "latency"),
            head: (
              <>
                <SortLink name="Latency, s" filter={filter} sort="latency" isSortable={list.ranked} />
                <SpreadSummary
                  spread={report?.latency_ms}
                  what="Latency"
                  format={(ms) => `${seconds(ms)} s`}
                />
              </>
            ),
            cell: (row: ItemRow) => (row.latency_ms === null ? <Missing /> : seconds(row.latency_ms)),
          },
        ]
      : []),
    {
      key: "tokens",
      width: "66px",
      isRight: true,
      sorted: sortedBy(filter, "tokens"),
      head: (
        <>
          <SortLink name="Tokens" filter={filter} sort="tokens" isSortable={list.ranked} />
          <SpreadSummary spread={report?.tokens} what="Tokens" format={count} />
        </>
      ),
      cell: (row) => (row.tokens === null ? <Missing /> : count(row.tokens)),
    },
  ];
}

function outcomeColumn(): Column {
  return { key: "status", width: "60px", head: "All", cell: (row) => <Outcome kind={kindOf(row.status)} /> };
}

function OptionalText({ text }: { text: string | null | undefined }) {
  if (text === null || text === undefined) return <Missing />;
  return (
    <span className="second" title={visibleText(text)}>
      {text === "" ? "(empty)" : <Name text={text} />}
    </span>
  );
}

function Missing() {
  return (
    <span className="third">
      <span aria-hidden="true">–</span>
      <span className="hidden-text">none</span>
    </span>
  );
}

function sortedBy(filter: ItemsFilter, sort: ItemSort): "ascending" | "descending" | undefined {
  if ((filter.sort ?? "position") !== sort) return undefined;
  return filter.order === "desc" ? "descending" : "ascending";
}

type SortProps = {
  name: string;
  filter: ItemsFilter;
  sort: ItemSort;
  criterion?: string;
  isSortable: boolean;
};

/** The head of a column that sorts by it; a second click turns the order round. */
function SortLink({ name, filter, sort, criterion, isSortable }: SortProps) {
  if (!isSortable) return <Name text={name} />;
  const isSorted =
    (filter.sort ?? "position") === sort && (criterion === undefined || filter.criterion === criterion);
  const order = isSorted && filter.order !== "desc" ? "desc" : undefined;
  const change: ItemsSearch = {
    sort: sort === "position" ? undefined : sort,
    order,
    row: undefined,
    ...(criterion !== undefined && { criterion }),
    // A range of scores is one of the criterion that is sorted by: there is one criterion for both.
    ...(criterion !== undefined &&
      criterion !== filter.criterion && { least_score: undefined, most_score: undefined }),
  };
  return (
    <Link
      from={ROUTE}
      to="."
      className="sort"
      search={(before: ItemsSearch) => ({ ...before, ...change })}
      replace
      activeProps={{}}
      title={`Sort by ${visibleText(name)}`}
    >
      <span className="cut">
        <Name text={name} />
      </span>
      {isSorted && <span aria-hidden="true">{filter.order === "desc" ? "↓" : "↑"}</span>}
    </Link>
  );
}
