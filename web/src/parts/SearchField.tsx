import { useEffect, useRef, useState } from "react";
import { useShortcut } from "@/keyboard/shortcuts";
import { Icon } from "./Icon";

const PAUSE_MS = 250;

type Props = { value: string; onSearch: (text: string) => void; label: string; placeholder: string };

/** A search that follows the typing after a pause; `/` leads to it, Escape empties it. */
export function SearchField({ value, onSearch, label, placeholder }: Props) {
  const [typed, setTyped] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  // The address changes by itself too: by the back button, or when a chip is removed.
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => onSearch(typed), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed, value, onSearch]);
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
          if (event.key === "Enter") onSearch(typed);
          if (event.key === "Escape") {
            setTyped("");
            onSearch("");
            event.currentTarget.blur();
          }
        }}
      />
      <kbd>/</kbd>
    </label>
  );
}
