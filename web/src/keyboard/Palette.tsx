import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { searchQuery } from "@/api/searchQueries";
import { PLACES } from "@/layout/places";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";
import { useShortcut } from "./shortcuts";

type Entry = { id: string; name: string; kind: string; to: string };

/** Goes anywhere by typing: places, evals, runs and files by name, and at once to anything whose id is pasted. */
export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useId();
  const navigate = useNavigate();
  const [isOpen, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState(0);
  const [pasted, setPasted] = useState("");
  const found = useQuery({ ...searchQuery(typed.trim()), enabled: isOpen });
  const entries: Entry[] = [...placesLike(typed), ...(found.data ?? [])];

  const open = () => {
    setOpen(true);
    setTyped("");
    setChosen(0);
    setPasted("");
    dialog.current?.showModal();
  };
  useShortcut("Ctrl+K", "search everything", open);

  const go = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    dialog.current?.close();
    navigate({ to: entry.to });
  };
  const meant = found.isPlaceholderData ? undefined : found.data?.find((each) => each.id === typed.trim());
  useEffect(() => {
    if (!isOpen || meant === undefined || pasted.trim() !== meant.id) return;
    dialog.current?.close();
    navigate({ to: meant.to });
  }, [isOpen, meant, pasted, navigate]);
  const steer = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0;
    if (step !== 0) {
      event.preventDefault();
      setChosen((chosen + step + entries.length) % Math.max(1, entries.length));
    }
    if (event.key === "Enter") {
      event.preventDefault();
      go(entries[chosen]);
    }
  };
  return (
    <>
      <button type="button" className="button plain slim" onClick={open}>
        <Icon name="search" />
        Search <kbd>Ctrl K</kbd>
      </button>
      <dialog ref={dialog} className="palette" aria-label="Search" onClose={() => setOpen(false)}>
        <label className="search">
          <Icon name="search" />
          <span className="hidden-text">Name or id</span>
          <input
            role="combobox"
            aria-expanded="true"
            aria-controls={list}
            aria-activedescendant={entries[chosen] && `${list}-${chosen}`}
            value={typed}
            placeholder="Name of an eval, a run or a file, or any id"
            onPaste={(event) => setPasted(event.clipboardData.getData("text"))}
            onChange={(event) => {
              setTyped(event.target.value);
              setChosen(0);
            }}
            onKeyDown={steer}
          />
          <kbd>Esc</kbd>
        </label>
        <div id={list} role="listbox" aria-label="Results" className="results">
          {entries.map((entry, place) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field above hears the keys
            <div
              key={entry.id}
              id={`${list}-${place}`}
              role="option"
              aria-selected={place === chosen}
              onMouseMove={() => setChosen(place)}
              onClick={() => go(entry)}
            >
              <span className="cut">
                <Name text={entry.name} />
              </span>
              <span className="kind">{entry.kind}</span>
            </div>
          ))}
        </div>
        {entries.length === 0 && (
          <p className="nothing">
            {found.error
              ? "The server did not answer."
              : found.isFetching
                ? "Searching …"
                : "Nothing has this name or id."}
          </p>
        )}
      </dialog>
    </>
  );
}

function placesLike(typed: string): Entry[] {
  const wanted = typed.trim().toLowerCase();
  return PLACES.filter((place) => place.name.toLowerCase().includes(wanted)).map((place) => ({
    id: place.to,
    name: place.name,
    kind: "page",
    to: place.to,
  }));
}
