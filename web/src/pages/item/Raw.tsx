import { useMemo, useRef, useState } from "react";
import { renderJson } from "@/api/json";
import { bytes } from "@/format/numbers";
import { useShortcut } from "@/keyboard/shortcuts";
import { CopyButton } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Text } from "@/text/SafeText";

type Props = {
  value: unknown;
  /** Where the API has it. */
  address: string;
  fileName: string;
};

/** An object as the API has it; its text is made when it is first opened. */
export function Raw({ value, address, fileName }: Props) {
  const details = useRef<HTMLDetailsElement>(null);
  const [isOpen, setOpen] = useState(false);
  const text = useMemo(() => (isOpen ? renderJson(value) : ""), [isOpen, value]);
  useShortcut("r", "raw JSON", () => {
    setOpen(!isOpen);
    details.current?.scrollIntoView({ block: "nearest" });
  });
  return (
    <details
      ref={details}
      className="section part"
      open={isOpen}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>
        <h2>Raw JSON</h2>
      </summary>
      {isOpen && (
        <>
          <div className="row raw-actions">
            <CopyButton text={text} label="Copy the JSON">
              Copy
            </CopyButton>
            <a className="button plain slim" href={address} download={fileName}>
              <Icon name="download" />
              Download, {bytes(text.length)}
            </a>
          </div>
          <Text text={text} className="code" />
        </>
      )}
    </details>
  );
}
