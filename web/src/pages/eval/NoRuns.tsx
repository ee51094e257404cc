import { Snippet, serverAddress } from "@/states/Snippet";
import { Empty } from "@/states/States";

/** The first run of an eval. */
export function NoRuns({ evalId }: { evalId: string }) {
  return (
    <Empty title="No runs yet" snippet={<Snippet codes={firstRun(serverAddress(), evalId)} />}>
      <p>
        A run takes items, asks a model or takes answers that are there, and judges each by the criteria.
        Upload your items as lines of JSON, each <code>{'{"item": {…}}'}</code>, and start one with the code
        beside.
      </p>
    </Empty>
  );
}

function firstRun(address: string, evalId: string): Record<string, string> {
  return {
    Python: `from openai import OpenAI

client = OpenAI(base_url="${address}", api_key="anything")
file = client.files.create(file=open("items.jsonl", "rb"), purpose="evals")
run = client.evals.runs.create(
    "${evalId}",
    name="First",
    data_source={"type": "jsonl", "source": {"type": "file_id", "id": file.id}},
)
print(run.report_url)`,
    curl: `FILE=$(curl -s ${address}/files -F purpose=evals -F file=@items.jsonl | sed -n 's/.*"id": *"\\(file-[^"]*\\)".*/\\1/p')
curl ${address}/evals/${evalId}/runs -H 'Content-Type: application/json' -d '{
  "name": "First",
  "data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "'$FILE'"}}
}'`,
  };
}
