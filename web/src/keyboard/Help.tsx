import { useEffect, useRef, useState } from "react";
import { areSingleKeysOn, setSingleKeys, useShortcut, useShortcuts } from "./shortcuts";

/** What every key does on this page, and the switch that turns single keys off. */
export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const bound = useShortcuts();
  const [isOn, setOn] = useState(areSingleKeysOn);
  useShortcut("?", "these keys", () => dialog.current?.showModal());
  useEffect(() => setSingleKeys(isOn), [isOn]);
  const shown = new Map(bound.map((each) => [each.keys, each.label]));
  return (
    <dialog ref={dialog} className="help-sheet" aria-labelledby="help-title">
      <div className="row">
        <h2 id="help-title">Keys on this page</h2>
        <span className="grow" />
        <form method="dialog">
          <button type="submit" className="button slim">
            Close
          </button>
        </form>
      </div>
      <table>
        <tbody>
          {[...shown].map(([keys, label]) => (
            <tr key={keys}>
              <th scope="row">
                {keys.split(" ").map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{label}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="table-foot">
        <label className="row">
          <input type="checkbox" checked={isOn} onChange={(event) => setOn(event.target.checked)} />
          Single keys work. Turn them off if you dictate.
        </label>
      </p>
    </dialog>
  );
}
