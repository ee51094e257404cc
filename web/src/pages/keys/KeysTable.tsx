import type { ApiKey } from "@/api/types";
import { ago, moment } from "@/format/times";
import { useRowKeys } from "@/keyboard/useRowKeys";
import { Scroll } from "@/layout/Page";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";
import { LimitKey } from "./LimitKey";
import { RevokeKey } from "./RevokeKey";
import { allowed, limitOf, stateOf } from "./words";

/** Keys, a line each, those that are no longer valid last. */
export function KeysTable({ keys, label }: { keys: readonly ApiKey[]; label: string }) {
  const table = useRowKeys<HTMLTableElement>();
  const valid = keys.filter((each) => stateOf(each) === "valid");
  const others = keys.filter((each) => stateOf(each) !== "valid");
  return (
    <Scroll label={label}>
      <table ref={table} className="fixed keys-table">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" className="c-key">
              Key
            </th>
            <th scope="col" className="c-allows">
              Allows
            </th>
            <th scope="col" className="c-moment">
              Created
            </th>
            <th scope="col" className="c-moment">
              Last used
            </th>
            <th scope="col" className="c-limit">
              Requests a minute
            </th>
            <th scope="col" className="c-state">
              State
            </th>
            <th scope="col" className="c-revoke">
              <span className="hidden-text">Revoke</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {[...valid, ...others].map((key) => (
            <KeyRow key={key.id} of={key} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function KeyRow({ of: key }: { of: ApiKey }) {
  const isValid = stateOf(key) === "valid";
  return (
    <tr className={isValid ? undefined : "over"}>
      <th scope="row" title={visibleText(key.name)}>
        <Name text={key.name} />
      </th>
      <td className="mono">{key.redacted_value}</td>
      <td title={key.scopes.join(", ")}>{allowed(key)}</td>
      <td className="second" title={moment(key.created_at)}>
        {ago(key.created_at)}
      </td>
      <td className="second" title={key.last_used_at === null ? undefined : moment(key.last_used_at)}>
        {key.last_used_at === null ? "never" : ago(key.last_used_at)}
      </td>
      <td>{isValid && key.project !== null ? <LimitKey of={key} /> : limitOf(key)}</td>
      <td>
        <State of={key} />
      </td>
      <td className="right">{isValid && <RevokeKey of={key} />}</td>
    </tr>
  );
}

function State({ of: key }: { of: ApiKey }) {
  const state = stateOf(key);
  if (state === "revoked") return <>revoked {moment(key.revoked_at ?? 0)}</>;
  if (state === "expired") return <>expired {moment(key.expires_at ?? 0)}</>;
  return key.expires_at === null ? <>valid</> : <>valid until {moment(key.expires_at)}</>;
}
