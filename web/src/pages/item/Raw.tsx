import { useMemo, useRef, useState } from "react";
import { addressOf } from "@/api/client";
import { renderJson } from "@/api/json";
import type { OutputItem } from "@/api/types";
import { bytes } from "@/format/numbers";
import { useShortcut } from "@/keyboard/shortcuts";
import { CopyButton } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Text } from "@/text/SafeText";

/** The item as the API has it; made when it is first opened. */
export function Raw({ item }: { item: OutputItem }) {
  const details = useRef<HTMLDetailsElement>(null);
  const [isOpen, setOpen] = useState(false);
  const text = useMemo(() => (isOpen ? renderJson(item) : ""), [isOpen, item]);
  useShortcut("r", "raw JSON", () => {
    setOpen(!isOpen);
    details.current?.scrollIntoView({ block: "nearest" });
  });
  const path = { eval_id: item.eval_id, run_id: item.run_id, output_item_id: item.id };
  const address = addressOf("/v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}", { path });
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
            <a className="button plain slim" href={address} download={`${item.id}.json`}>
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
