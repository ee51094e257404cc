import { useState } from "react";
import { publicAddress } from "@/api/place";
import { CopyButton } from "@/parts/CopyButton";

/** Code in several languages, against this very server, to be copied. */
export function Snippet({ codes }: { codes: Record<string, string> }) {
  const languages = Object.keys(codes);
  const [chosen, setChosen] = useState(languages[0] ?? "");
  const code = codes[chosen] ?? "";
  return (
    <div className="snippet">
      <div className="snippet-head">
        <span className="segments">
          {languages.map((each) => (
            <button key={each} type="button" aria-pressed={each === chosen} onClick={() => setChosen(each)}>
              {each}
            </button>
          ))}
        </span>
        <span className="grow" />
        <CopyButton text={code} label={`Copy the ${chosen} snippet`}>
          Copy
        </CopyButton>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it */}
      <pre tabIndex={0} role="region" aria-label={`${chosen} snippet`}>
        {code}
      </pre>
    </div>
  );
}

/** Return the server's address as programs need it. */
export function serverAddress(): string {
  return publicAddress("/v1");
}
