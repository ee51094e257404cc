import { useQuery } from "@tanstack/react-query";
import { modelsQuery, servedModel } from "@/api/modelQueries";
import { type Asking, Snippet } from "@/states/Snippet";
import { Empty } from "@/states/States";

/** How the first call comes to stand here. */
export function NoCalls() {
  const endpoints = useQuery(modelsQuery).data?.data ?? [];
  return (
    <Empty
      title="No calls yet"
      snippet={<Snippet codes={(asking) => firstCall(asking, servedModel(endpoints))} />}
    >
      <p>
        Send your program's calls through this server with <code>store: true</code>: they are passed on to the
        model, and kept here with their metadata. What is kept can be graded, and replayed with another model.
      </p>
      <p>
        Calls of the Responses API are kept unless they say <code>store: false</code>.
      </p>
    </Empty>
  );
}

function firstCall({ address, client, curl }: Asking, model: string): Record<string, string> {
  return {
    Python: `from openai import OpenAI

${client}
answer = client.chat.completions.create(
    model=${JSON.stringify(model)},
    messages=[{"role": "user", "content": "What is the capital of France?"}],
    store=True,
    metadata={"app": "capitals"},
)
print(answer.id)`,
    curl: `${curl} ${address}/chat/completions -H 'Content-Type: application/json' -d '{
  "model": ${JSON.stringify(model)},
  "messages": [{"role": "user", "content": "What is the capital of France?"}],
  "store": true,
  "metadata": {"app": "capitals"}
}'`,
  };
}
