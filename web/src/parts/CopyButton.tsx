import { useEffect, useState } from "react";
import { Icon, type IconName } from "./Icon";

const SAID_MS = 1500;

type Props = { text: string | (() => string); label: string; icon?: IconName; children?: string };

/** Copies a text, and says so; without children it is a small square beside what it copies. */
export function CopyButton({ text, label, icon = "copy", children }: Props) {
  const [said, setSaid] = useState<"" | "Copied" | "Not copied">("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () =>
    copyText(typeof text === "string" ? text : text()).then(
      () => setSaid("Copied"),
      () => setSaid("Not copied"),
    );
  return (
    <button
      type="button"
      className={children === undefined ? "button plain slim square" : "button plain slim"}
      aria-label={children === undefined ? label : undefined}
      title={label}
      onClick={copy}
    >
      <Icon name={said === "Copied" ? "pass" : icon} />
      {children !== undefined && (said || children)}
      <span role="status" className="hidden-text">
        {said}
      </span>
    </button>
  );
}

/** Browsers offer the clipboard to secure pages only; a server on plain HTTP elsewhere needs the older way. */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden-text";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("the browser refused");
}

/** Copies the address of what is shown, filters included. */
export function CopyLink() {
  return <CopyButton text={() => location.href} label="Copy link to this view" icon="link" />;
}
