import type { NewApiKey } from "@/api/types";
import { CopyButton } from "@/parts/CopyButton";
import { Notice } from "@/states/States";
import { Name } from "@/text/SafeText";

type Props = { made: NewApiKey; isFirst: boolean; onDone: () => void };

/** The secret of a new key, which nobody sees again. */
export function NewKey({ made, isFirst, onDone }: Props) {
  return (
    <>
      <p className="second">
        This is the secret of <Name text={made.name} />. The server keeps only its hash: when this is closed,
        nobody can show it again.
      </p>
      <div className="secret">
        <code>{made.value}</code>
        <CopyButton text={made.value} label="Copy the key">
          Copy
        </CopyButton>
      </div>
      {isFirst && (
        <Notice>
          <b>From now on every request needs a key.</b> This tab is logged in with this one. Set it as{" "}
          <code>OPENAI_API_KEY</code> where programs use this server; better still, make keys of the project
          for them.
        </Notice>
      )}
      <div className="row">
        <span className="grow" />
        <button type="button" className="button main" onClick={onDone}>
          I have copied it
        </button>
      </div>
    </>
  );
}
