import { useCallback, useEffect, useRef, useState } from "react";
import { useShortcut } from "@/keyboard/shortcuts";
import { Icon } from "./Icon";

const PAUSE_MS = 250;

type Props = { value: string; onSearch: (text: string) => void; label: string; placeholder: string };

/** A search that follows the typing after a pause; `/` leads to it, Escape empties it. */
export function SearchField({ value, onSearch, label, placeholder }: Props) {
  const [typed, setTyped] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const sent = useRef<string[]>([]);
  const search = useCallback(
    (text: string) => {
      sent.current.push(text);
      onSearch(text);
    },
    [onSearch],
  );
  // The address changes by itself too: by the back button, or when a chip is removed. What it has from here comes
  // back late, and more may have been typed meanwhile.
  useEffect(() => {
    const own = sent.current.indexOf(value);
    if (own === -1) setTyped(value);
    sent.current = sent.current.slice(own + 1);
  }, [value]);
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => search(typed), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed, value, search]);
  useShortcut("/", label, () => input.current?.focus());
  return (
    <label className="search">
      <Icon name="search" />
      <span className="hidden-text">{label}</span>
      <input
        ref={input}
        type="search"
        value={typed}
        placeholder={placeholder}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") search(typed);
          if (event.key === "Escape") {
            setTyped("");
            search("");
            event.currentTarget.blur();
          }
        }}
      />
      <kbd>/</kbd>
    </label>
  );
}
