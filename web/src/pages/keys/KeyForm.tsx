import { type FormEvent, useState } from "react";
import { faultOf, NOT_A_NUMBER, NumberField, numberIn } from "@/parts/NumberField";
import type { KindOfKey } from "./CreateKey";
import { expiryOf, LIFETIMES, type Lifetime, REQUESTS, ROLES, type Role, SCOPES, type Scope } from "./words";

export type KeyWish = {
  name: string;
  expires_at?: number | undefined;
  role?: Role;
  scopes?: Scope[];
  requests_per_minute?: number | null;
};

type Props = {
  kind: KindOfKey;
  isSent: boolean;
  /** What the server said of the last wish. */
  error: Error | null;
  onSend: (wish: KeyWish) => void;
  onClose: () => void;
};
type Chosen = Role | "scopes";

/** What a key is to be called, what it allows, and how long it lasts. */
export function KeyForm({ kind, isSent, error, onSend, onClose }: Props) {
  const [chosen, setChosen] = useState<Chosen>("editor");
  const [isMisread, setMisread] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const scopes = data.getAll("scope") as Scope[];
    const requests = numberIn(data, REQUESTS.name, REQUESTS.units);
    setMisread(Number.isNaN(requests));
    if (Number.isNaN(requests)) return;
    onSend({
      name: String(data.get("name")).trim(),
      expires_at: expiryOf(data.get("expires") as Lifetime),
      requests_per_minute: requests,
      ...(chosen === "scopes" ? { scopes } : { role: chosen }),
    });
  };
  return (
    <form className="form" onSubmit={submit}>
      <label>
        Name
        <input
          name="name"
          required
          maxLength={200}
          pattern=".*\S.*"
          placeholder={kind === "project" ? "ci" : "Ada"}
          autoComplete="off"
        />
        <small>Whose it is, or which program's: the audit log names it.</small>
      </label>
      {kind === "project" ? (
        <>
          <Allowed chosen={chosen} onChoose={setChosen} />
          <NumberField
            {...REQUESTS}
            value={null}
            fault={isMisread ? NOT_A_NUMBER : faultOf(error, REQUESTS.name)}
          />
        </>
      ) : (
        <p className="second">
          An admin key allows everything in every project, and operates the server. Programs should have keys
          of a project.
        </p>
      )}
      <label>
        Expires
        <select name="expires" defaultValue="never">
          {(Object.keys(LIFETIMES) as Lifetime[]).map((each) => (
            <option key={each} value={each}>
              {LIFETIMES[each][0]}
            </option>
          ))}
        </select>
      </label>
      <div className="row">
        <span className="grow" />
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
        <button type="submit" className="button main" disabled={isSent}>
          {isSent ? "Creating …" : "Create the key"}
        </button>
      </div>
    </form>
  );
}

function Allowed({ chosen, onChoose }: { chosen: Chosen; onChoose: (chosen: Chosen) => void }) {
  const choice = (value: Chosen, words: string) => (
    <label key={value} className="choice">
      <input
        type="radio"
        name="allowed"
        value={value}
        checked={chosen === value}
        onChange={() => onChoose(value)}
      />
      <span>
        <b>{value === "scopes" ? "Chosen scopes" : value}</b> {words}
      </span>
    </label>
  );
  return (
    <fieldset>
      <legend>Allows</legend>
      {(Object.keys(ROLES) as Role[]).map((role) => choice(role, ROLES[role].words))}
      {choice("scopes", "one by one")}
      {chosen === "scopes" && (
        <div className="choices">
          {(Object.keys(SCOPES) as Scope[]).map((scope) => (
            <label key={scope} className="choice">
              <input type="checkbox" name="scope" value={scope} defaultChecked={scope === "read"} />
              <span>
                <b>{scope}</b> {SCOPES[scope]}
              </span>
            </label>
          ))}
        </div>
      )}
    </fieldset>
  );
}
