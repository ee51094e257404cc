import { renderJson } from "@/api/json";
import type { RunById } from "@/api/types";
import { Section } from "@/layout/Page";
import { Snippet } from "@/states/Snippet";
import { againCodes } from "./again";
import { toldBesideOf } from "./setup";

const MASK = "***";

/** Code that makes the same run once more, to be changed where the next one shall differ. */
export function Again({ run }: { run: RunById }) {
  const hasSecrets = renderJson(toldBesideOf(run)).includes(`"${MASK}"`);
  return (
    <Section id="again" title="Run it again" aside="the same once more, as code">
      <Snippet codes={(asking) => againCodes(asking, run)} />
      {hasSecrets && (
        <p className="table-foot">
          Secrets of tools are not kept: put them in place of <code>{MASK}</code>.
        </p>
      )}
    </Section>
  );
}
