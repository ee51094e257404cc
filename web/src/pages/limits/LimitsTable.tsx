import { useQueryClient } from "@tanstack/react-query";
import { limitsQuery, setLimit } from "@/api/accessQueries";
import type { ProjectLimits } from "@/api/types";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Scroll } from "@/layout/Page";
import { ChangeLimit } from "@/parts/ChangeLimit";
import { Icon } from "@/parts/Icon";
import { LIMITS } from "./words";

type Row = (typeof LIMITS)[number];

/** What is used and allowed of each limit, and where who operates the server changes it. */
export function LimitsTable({ found }: { found: ProjectLimits }) {
  const table = useRowKeys<HTMLTableElement>();
  return (
    <Scroll label="Table of limits">
      <table ref={table} className="limits-table">
        <thead>
          <tr>
            <th scope="col">Limit</th>
            <th scope="col" className="right">
              Used now
            </th>
            <th scope="col" className="c-meter">
              <span className="hidden-text">How much of it is used</span>
            </th>
            <th scope="col" className="right">
              Allowed
            </th>
            <th scope="col" className="c-change">
              <span className="hidden-text">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {LIMITS.map((limit) => (
            <LimitRow key={limit.name} of={limit} found={found} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function LimitRow({ of: limit, found }: { of: Row; found: ProjectLimits }) {
  const queries = useQueryClient();
  const allowed = found[limit.name];
  const used = limit.used?.(found);
  return (
    <tr>
      <th scope="row">
        {limit.title} <span className="second">{limit.counts}</span>
        <small>{limit.beyond}</small>
      </th>
      <td className="right" title={used === undefined ? "Nothing of it stays used." : exact(limit, used)}>
        {used === undefined ? "–" : limit.shown(used)}
      </td>
      <td className="c-meter">
        {used !== undefined && allowed !== null && <Meter used={used} allowed={allowed} />}
      </td>
      <td className="right" title={allowed === null ? undefined : exact(limit, allowed)}>
        {allowed === null ? <span className="second">no limit</span> : limit.shown(allowed)}
      </td>
      <td className="right">
        <ChangeLimit
          needs="operate"
          shown="Change"
          label={`Change: ${limit.title}`}
          title={limit.title}
          field={{
            name: limit.name,
            label: "At most",
            hint: limit.beyond,
            units: limit.units,
            ...(limit.first && { first: limit.first }),
          }}
          value={allowed}
          onSet={async (value) =>
            queries.setQueryData(limitsQuery.queryKey, await setLimit(limit.name, value))
          }
        />
      </td>
    </tr>
  );
}

/** How much of a limit is used, as a bar; the figures stand on both sides of it. */
function Meter({ used, allowed }: { used: number; allowed: number }) {
  const isUsedUp = used >= allowed;
  return (
    <>
      <svg width="100%" height="8" aria-hidden="true">
        <rect className="c-waiting" width="100%" height="8" />
        <rect className="c-used" width={isUsedUp ? "100%" : `${(100 * used) / allowed}%`} height="8" />
      </svg>
      {isUsedUp && (
        <span className="used-up">
          <Icon name="error" className="error" /> used up
        </span>
      )}
    </>
  );
}

/** The value to its last digit, if what is shown is rounded. */
function exact(limit: Row, value: number): string | undefined {
  return limit.name === "stored_bytes" ? `${value.toLocaleString("en-US")} bytes` : undefined;
}
