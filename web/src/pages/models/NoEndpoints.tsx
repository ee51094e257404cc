import { Snippet } from "@/states/Snippet";
import { Empty } from "@/states/States";

/** The lines that connect the first model. */
export function NoEndpoints() {
  return (
    <Empty title="No models are connected" snippet={<Snippet codes={CODES} />}>
      <p>
        Runs over recorded answers need none. To ask a model, or to let one judge, write these lines to{" "}
        <code>evalhaven.toml</code> in the directory where the server starts, and start it again.{" "}
        <code>evalhaven doctor</code> says whether the endpoint answers.
      </p>
    </Empty>
  );
}

const CODES = {
  OpenAI: `[endpoints.openai]
base_url = "https://api.openai.com/v1"
api_key_env = "OPENAI_API_KEY"
models = ["gpt-*"]
prices = [{ model = "gpt-*", input = 1.25, output = 10.0 }]`,
  "Own server": `[endpoints.local]
base_url = "http://localhost:8000/v1"
protocol = "chat"
models = ["*"]
max_concurrency = 32`,
  "Without a model": `[endpoints.rules]
scripted = true
models = ["scripted"]

[[endpoints.rules.rules]]
model = "scripted"
answer = "Yes."`,
};
