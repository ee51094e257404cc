import { type Asking, Snippet } from "@/states/Snippet";
import { Empty } from "@/states/States";

/** The first step on a new server. */
export function NoEvals() {
  return (
    <Empty title="No evals yet" snippet={<FirstSteps />}>
      <p>
        An eval says what your data looks like and how answers are judged. Any OpenAI SDK creates one: only
        the address differs. The code beside makes an eval and its first run.
      </p>
    </Empty>
  );
}

/** Code that makes an eval and its first run. */
export function FirstSteps() {
  return <Snippet codes={firstSteps} />;
}

function firstSteps({ address, client, curl }: Asking): Record<string, string> {
  return {
    Python: `from openai import OpenAI

${client}
ev = client.evals.create(
    name="Capitals",
    data_source_config={
        "type": "custom",
        "item_schema": {"type": "object", "properties": {"answer": {"type": "string"}, "right": {"type": "string"}}},
    },
    testing_criteria=[{
        "type": "string_check", "name": "right capital", "operation": "eq",
        "input": "{{ item.answer }}", "reference": "{{ item.right }}",
    }],
)
run = client.evals.runs.create(ev.id, name="First", data_source={
    "type": "jsonl",
    "source": {"type": "file_content", "content": [
        {"item": {"answer": "Paris", "right": "Paris"}},
        {"item": {"answer": "Sydney", "right": "Canberra"}},
    ]},
})
print(run.report_url)`,
    curl: `${curl} ${address}/evals -H 'Content-Type: application/json' -d '{
  "name": "Capitals",
  "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
  "testing_criteria": [{"type": "string_check", "name": "right capital", "operation": "eq",
    "input": "{{ item.answer }}", "reference": "{{ item.right }}"}]
}'`,
  };
}
