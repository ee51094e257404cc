import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";
import { Icon, type IconName } from "./Icon";

type Props = {
  label: string;
  children: ReactNode;
  icon?: IconName;
  isSlim?: boolean;
  isBare?: boolean;
  /** How the button looks that is no button of a page. */
  className?: string;
};

/** A button that opens a list of links and buttons. It is a popover, which the browser closes by itself. */
export function Menu({ label, children, icon, isSlim = false, isBare = false, className = "button" }: Props) {
  const id = useId();
  const opener = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const place = () => {
    const menu = list.current;
    const at = opener.current?.getBoundingClientRect();
    if (!menu?.matches(":popover-open") || at === undefined) return;
    menu.style.top = `${Math.min(at.bottom + 4, innerHeight - menu.offsetHeight - 8)}px`;
    menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - menu.offsetWidth - 8))}px`;
    entriesOf(menu)[0]?.focus();
  };
  return (
    <>
      <button
        ref={opener}
        type="button"
        className={`${className} ${isSlim ? "slim" : ""} ${isBare ? "square" : ""}`}
        popoverTarget={id}
        aria-label={isBare || className !== "button" ? label : undefined}
        aria-haspopup="true"
      >
        {icon && <Icon name={icon} />}
        {!isBare && <span className="word">{label}</span>}
        {!isBare && <Icon name="down" />}
      </button>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: it hears the keys of the entries within */}
      <div
        ref={list}
        id={id}
        popover="auto"
        className="menu"
        onToggle={place}
        onKeyDown={moveFocus}
        onClick={() => list.current?.hidePopover()}
      >
        {children}
      </div>
    </>
  );
}

function entriesOf(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>("a, button:not(:disabled)")];
}

function moveFocus(event: KeyboardEvent<HTMLDivElement>): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0) return;
  event.preventDefault();
  const entries = entriesOf(event.currentTarget);
  const at = entries.indexOf(document.activeElement as HTMLElement);
  entries[(at + step + entries.length) % entries.length]?.focus();
}
