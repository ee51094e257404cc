import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { beginningQuery } from "@/api/fileQueries";
import { renderJson } from "@/api/json";
import { counted } from "@/format/numbers";
import { Scroll, Section } from "@/layout/Page";
import { Failure, Skeleton } from "@/states/States";
import { Name, Text } from "@/text/SafeText";
import { type FirstRows, firstRows } from "./rows";

const CELL_CHARACTERS = 300;

/** The first rows of a file as a table, and its beginning as it is written. */
export function Preview({ fileId }: { fileId: string }) {
  const beginning = useQuery(beginningQuery(fileId));
  const data = beginning.data;
  const found = useMemo(() => data && firstRows(data.text, data.isWhole), [data]);
  if (beginning.error) return <Failure error={beginning.error} onRetry={beginning.refetch} />;
  if (data === undefined) return <Skeleton />;
  return (
    <>
      {found && (
        <Section id="first-rows" title="First rows" aside={counted(found.rows.length, "row")}>
          <Rows found={found} />
        </Section>
      )}
      {/* Where the table shows the rows, the same once more is for those who ask. */}
      <details className="section part" open={found === null}>
        <summary>
          <h2>As it is written</h2>
          <span className="aside">
            {data.isWhole ? "the whole file" : "its beginning; the download has all of it"}
          </span>
        </summary>
        {data.text === "" ? <p className="third">(empty)</p> : <Text text={data.text} className="code" />}
      </details>
    </>
  );
}

function Rows({ found }: { found: FirstRows }) {
  return (
    <Scroll label="Table of rows">
      <table className="fixed preview-table">
        <thead>
          <tr>
            <th scope="col" className="c-number">
              Row
            </th>
            {found.fields.map((field) => (
              <th key={field} scope="col">
                <Name text={field} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {found.rows.map((row, place) => (
            <tr key={place}>
              <th scope="row">{place + 1}</th>
              {found.fields.map((field) => (
                <td key={field}>
                  <Name text={cellOf(row[field])} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function cellOf(value: unknown): string {
  if (value === undefined) return "–";
  const text = typeof value === "string" ? value : renderJson(value);
  return text.length > CELL_CHARACTERS ? `${text.slice(0, CELL_CHARACTERS)}…` : text;
}
