import { type FormEvent, useState } from "react";
import type { Webhook } from "@/api/types";
import { ENDS, type End, endWord, FORMATS, type Format } from "./words";

export type Wish = { name: string; url: string; event_types: End[]; evalhaven: { format: Format } };

const FIRST: Wish = { name: "", url: "", event_types: [...ENDS], evalhaven: { format: "standard" } };

/** What a webhook is made of; the server says what it does not take. */
export function WebhookForm({
  webhook,
  does,
  isBusy,
  onSubmit,
  onClose,
}: {
  webhook?: Webhook;
  /** What the button says. */
  does: string;
  isBusy: boolean;
  onSubmit: (wish: Wish) => void;
  onClose: () => void;
}) {
  const [wish, setWish] = useState<Wish>(webhook === undefined ? FIRST : wishOf(webhook));
  const change = (changed: Partial<Wish>) => setWish({ ...wish, ...changed });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit(wish);
  };
  const toggle = (end: End) =>
    change({ event_types: ENDS.filter((each) => wish.event_types.includes(each) !== (each === end)) });
  return (
    <form onSubmit={submit} className="grade-form">
      <label>
        Name
        <input
          value={wish.name}
          required
          maxLength={256}
          placeholder="CI"
          onChange={(event) => change({ name: event.target.value })}
        />
      </label>
      <label>
        Format
        <select
          value={wish.evalhaven.format}
          onChange={(event) => change({ evalhaven: { format: event.target.value as Format } })}
        >
          {Object.entries(FORMATS).map(([format, name]) => (
            <option key={format} value={format}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label className="row">
        <span>Address</span>
        <input
          type="url"
          value={wish.url}
          required
          maxLength={2048}
          placeholder="https://ci.example.org/evals"
          onChange={(event) => change({ url: event.target.value })}
        />
      </label>
      <fieldset className="row ends">
        <legend>Told when a run has</legend>
        {ENDS.map((end) => (
          <label key={end}>
            <input type="checkbox" checked={wish.event_types.includes(end)} onChange={() => toggle(end)} />{" "}
            {end === "eval.run.canceled" ? "been canceled" : endWord(end)}
          </label>
        ))}
      </fieldset>
      <div className="row">
        <span className="grow" />
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
        <button type="submit" className="button main" disabled={isBusy || wish.event_types.length === 0}>
          {does}
        </button>
      </div>
    </form>
  );
}

function wishOf(webhook: Webhook): Wish {
  return {
    name: webhook.name,
    url: webhook.url,
    event_types: ENDS.filter((end) => webhook.event_types.includes(end)),
    evalhaven: { format: webhook.evalhaven.format as Format },
  };
}
