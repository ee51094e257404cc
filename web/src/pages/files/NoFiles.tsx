import { type Asking, Snippet } from "@/states/Snippet";
import { Empty } from "@/states/States";

/** What a file is for, and how one comes here. */
export function NoFiles() {
  return (
    <Empty title="No files yet" snippet={<Snippet codes={firstFile} />}>
      <p>
        A file holds the items of an eval: one JSON object a line, each with its fields under{" "}
        <code>item</code>. Runs name it by its id, so that many runs share one file.
      </p>
    </Empty>
  );
}

function firstFile({ address, client, curl }: Asking): Record<string, string> {
  return {
    Python: `from openai import OpenAI

${client}
lines = b'{"item": {"question": "Capital of France?", "right": "Paris"}}\\n'
file = client.files.create(file=("capitals.jsonl", lines), purpose="evals")
print(file.id)  # source={"type": "file_id", "id": file.id} of a run`,
    curl: `echo '{"item": {"question": "Capital of France?", "right": "Paris"}}' |
  ${curl} ${address}/files -F purpose=evals -F 'file=@-;filename=capitals.jsonl'`,
  };
}
