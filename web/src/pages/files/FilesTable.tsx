import { Link } from "@tanstack/react-router";
import type { FileOverview } from "@/api/types";
import { bytes, count } from "@/format/numbers";
import { ago, moment } from "@/format/times";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Scroll } from "@/layout/Page";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

export function FilesTable({ files }: { files: readonly FileOverview[] }) {
  const table = useRowKeys<HTMLTableElement>();
  return (
    <>
      <Scroll label="Table of files">
        <table ref={table} className="list fixed files-table">
          <colgroup>
            <col />
            <col className="c-size" />
            <col className="c-rows" />
            <col className="c-purpose" />
            <col className="c-used" />
            <col className="c-created" />
          </colgroup>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" className="right">
                Size
              </th>
              <th scope="col" className="right">
                Rows
              </th>
              <th scope="col">Purpose</th>
              <th scope="col">Read by</th>
              <th scope="col" className="right">
                Uploaded
              </th>
            </tr>
          </thead>
          <tbody>
            {files.map((file) => (
              <tr key={file.id}>
                <th scope="row" title={visibleText(file.filename)}>
                  <Link data-row to="/files/$fileId" params={{ fileId: file.id }}>
                    <Name text={file.filename || file.id} />
                  </Link>
                </th>
                <td className="right">{bytes(file.size_bytes)}</td>
                <td className="right second">{file.rows === null ? "–" : count(file.rows)}</td>
                <td className="second">
                  <Name text={file.purpose} />
                </td>
                <td>
                  <Readers file={file} />
                </td>
                <td className="right second" title={moment(file.created_at)}>
                  {ago(file.created_at)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <div className="table-foot">
        <span>Rows: as the newest run that read the file found them.</span>
        <span className="grow" />
        <span className="keys">
          <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> open <kbd>?</kbd> all keys
        </span>
      </div>
    </>
  );
}

/** The newest run that reads a file, and how many more there are. */
function Readers({ file }: { file: FileOverview }) {
  const [newest] = file.used_by;
  if (newest === undefined) return <span className="third">no run</span>;
  return (
    <>
      <Link to="/evals/$evalId/runs/$runId" params={{ evalId: newest.eval_id, runId: newest.run_id }}>
        <Name text={newest.run_name || newest.run_id} />
      </Link>
      {file.runs > 1 && <span className="second"> and {count(file.runs - 1)} more</span>}
    </>
  );
}
