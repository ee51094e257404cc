import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { publicAddress } from "@/api/place";
import { CopyButton } from "@/parts/CopyButton";
import { useMay, useSession } from "./session";

/** How code asks this server. */
export type Asking = {
  /** The server's address as programs need it. */
  address: string;
  /** The line of Python that makes the client. */
  client: string;
  /** The command line up to the address. */
  curl: string;
};

type Codes = Record<string, string>;

/** Code in several languages, against this very server, to be copied; what asks it takes the key from the environment. */
export function Snippet({ codes: given }: { codes: Codes | ((asking: Asking) => Codes) }) {
  const hasKeys = useSession().access === "keys";
  const isAsking = typeof given === "function";
  const codes = isAsking ? given(askingOf(hasKeys)) : given;
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
      {isAsking && hasKeys && <WhereKeysAre />}
    </div>
  );
}

function WhereKeysAre() {
  const mayMake = useMay("manage");
  return (
    <p className="snippet-foot">
      The key comes from <code>OPENAI_API_KEY</code>.{" "}
      {mayMake ? (
        <>
          Make one under <Link to="/keys">API keys</Link>.
        </>
      ) : (
        "An administrator of the project can make you one."
      )}
    </p>
  );
}

function askingOf(hasKeys: boolean): Asking {
  const address = serverAddress();
  return hasKeys
    ? {
        address,
        client: `client = OpenAI(base_url="${address}")  # the key is in OPENAI_API_KEY`,
        curl: 'curl -H "Authorization: Bearer $OPENAI_API_KEY"',
      }
    : {
        address,
        client: `client = OpenAI(base_url="${address}", api_key="anything")`,
        curl: "curl",
      };
}

/** Return the server's address as programs need it. */
export function serverAddress(): string {
  return publicAddress("/v1");
}
