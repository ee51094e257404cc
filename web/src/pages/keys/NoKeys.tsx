import { Snippet, serverAddress } from "@/states/Snippet";
import { Empty } from "@/states/States";
import { CreateKey } from "./CreateKey";

/** What follows from the first key, before it is made. */
export function NoKeys({ onDone }: { onDone: () => void }) {
  return (
    <Empty title="No keys yet" snippet={<Snippet codes={withKey(serverAddress())} />}>
      <p>Make the first key before others reach this server. It is an admin key, and from then on:</p>
      <ul className="steps">
        <li>every request needs a key, of programs and commands elsewhere too;</li>
        <li>this dashboard asks for one; you stay logged in here with the key that you make;</li>
        <li>keys of this project are made here, one for each program or person;</li>
        <li>
          commands on the server's own machine go on without one, so that nobody is locked out:{" "}
          <code>evalhaven keys</code>.
        </li>
      </ul>
      <CreateKey kind="first" onDone={onDone} />
    </Empty>
  );
}

function withKey(address: string): Record<string, string> {
  return {
    Shell: `export OPENAI_BASE_URL=${address}
export OPENAI_API_KEY=sk-…   # the key, for programs that use OpenAI's SDKs
export EVALHAVEN_API_KEY=sk-…   # the key, for evalhaven on another machine`,
    Python: `from openai import OpenAI

client = OpenAI(base_url="${address}")  # takes the key from OPENAI_API_KEY`,
  };
}
