import { CopyButton } from "@/parts/CopyButton";

/** The secret of a webhook, this once. */
export function Secret({ secret }: { secret: string }) {
  return (
    <div className="notice" role="status">
      <div>
        <b>Copy the signing secret now: it is not shown again.</b> Receivers verify with it what they are
        sent.
        <div className="secret">
          <code>{secret}</code> <CopyButton text={secret} label="Copy the secret" />
        </div>
      </div>
    </div>
  );
}
