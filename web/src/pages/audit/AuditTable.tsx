import { Link } from "@tanstack/react-router";
import type { AuditEntry } from "@/api/types";
import { ago, moment } from "@/format/times";
import { shortId } from "@/format/words";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Scroll } from "@/layout/Page";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { actionWords, detailsOf } from "./words";

type Props = { entries: readonly AuditEntry[]; hasProjects: boolean };

/** Who did what, when and from where; a click on whoever did it shows what else they did. */
export function AuditTable({ entries, hasProjects }: Props) {
  const table = useRowKeys<HTMLTableElement>();
  return (
    <>
      <Scroll label="Table of entries">
        <table ref={table} className="fixed audit-table">
          <thead>
            <tr>
              <th scope="col" className="c-when">
                When
              </th>
              <th scope="col" className="c-who">
                Who
              </th>
              <th scope="col" className="c-what">
                What
              </th>
              <th scope="col">On what</th>
              <th scope="col">Details</th>
              <th scope="col" className="c-from">
                From
              </th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <EntryRow key={entry.id} entry={entry} hasProject={hasProjects} />
            ))}
          </tbody>
        </table>
      </Scroll>
      <div className="table-foot">
        <span className="keys">
          <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> what else they did <kbd>?</kbd> all keys
        </span>
      </div>
    </>
  );
}

function EntryRow({ entry, hasProject }: { entry: AuditEntry; hasProject: boolean }) {
  const { caller, target, details } = entry;
  const name = typeof details.name === "string" ? details.name : undefined;
  return (
    <tr>
      <td title={ago(entry.created_at)}>{moment(entry.created_at)}</td>
      <th scope="row">
        <Link
          data-row
          to="."
          search={(before: Record<string, unknown>) => ({ ...before, caller: caller.id })}
          activeProps={{}}
        >
          <Name text={caller.name} />
        </Link>
        {caller.id !== caller.kind && <Id of={caller.id} />}
      </th>
      <td>
        {actionWords(entry.action)}
        <small className="mono">{entry.action}</small>
      </td>
      <td>
        {name !== undefined && <Name text={name} />}
        <Id of={target.id} />
        {hasProject && (
          <small>{entry.project === null ? "the organization" : <Name text={entry.project} />}</small>
        )}
      </td>
      <td>
        {detailsOf(details).map(([key, value]) => (
          <div key={key}>
            <span className="second">{key}:</span> <Name text={value} />
          </div>
        ))}
      </td>
      <td className="second">
        {entry.address ?? "–"}
        {entry.request_id !== null && <Id of={entry.request_id} />}
      </td>
    </tr>
  );
}

/** An id with its middle left out; all of it where the mouse rests, and in the export. */
function Id({ of: id }: { of: string }) {
  return (
    <small className="mono" title={visibleText(id)}>
      <Name text={shortId(id)} />
    </small>
  );
}
