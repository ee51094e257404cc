"""Monitoring of responses: the newest five of a program that never mentions `store`, judged, and asked again elsewhere.

Written like published programs: one client for models and evals. `python monitor_responses.py URL`, facts on
stdin, what was seen on stdout.
"""

import json
import sys
import time
from typing import Any

import openai

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PNG = f"data:image/png;base64,{PIXEL}"
GRADER = """
You see what was asked and how it was explained; score the explanation from 0 to 1.
**User input**

{{item.input}}

**Explanation**

{{sample.output_text}}

{{item.response}
"""


def main(base_url: str, *_: str) -> None:
    """Do what the program does, and print what it saw."""
    given = json.load(sys.stdin)
    with openai.OpenAI(base_url=f"{base_url}/v1", api_key="any") as client:
        for number in range(7):
            explain(client, given["topic"], number)
        sys.stdout.write(json.dumps({"version": openai.__version__, **evaluate(client)}))


def explain(client: openai.OpenAI, topic: str, number: int) -> None:
    """Ask about a picture."""
    said: Any = [
        {"type": "input_text", "text": f"Explain {topic} {number}. ANSWER: It is {topic} {number}."},
        {"type": "input_image", "image_url": PNG},
    ]
    client.responses.create(model="gpt-4.1-mini", instructions="Be kind.", input=[{"role": "user", "content": said}])


def evaluate(client: openai.OpenAI) -> dict[str, Any]:
    """Judge the newest five as they were answered, then as another model answers."""
    evaluation: Any = client.evals.create(
        name="Explanations",
        data_source_config={"type": "logs"},
        testing_criteria=[
            {
                "type": "score_model",
                "name": "Explained",
                "model": "o3",
                "input": [
                    {"role": "system", "content": GRADER},
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "And this is the picture. ANSWER: 0.9"},
                            {"type": "input_image", "image_url": "{{ item.input[1].content[1].image_url }}"},
                        ],
                    },
                ],
                "range": [0, 1],
                "pass_threshold": 0.5,
            }
        ],
    )
    source: Any = {"type": "responses", "limit": 5}
    again: Any = {
        "model": "gpt-4.1",
        "input_messages": {"type": "item_reference", "item_reference": "item.input"},
    }
    seen: dict[str, Any] = {}
    for name, more in (("stored", {}), ("replayed", again)):
        data_source: Any = {"type": "responses", "source": source, **more}
        run: Any = client.evals.runs.create(evaluation.id, name=name, data_source=data_source)
        while run.status not in ("completed", "failed", "canceled"):
            time.sleep(0.1)
            run = client.evals.runs.retrieve(run.id, eval_id=evaluation.id)
        items: Any = client.evals.runs.output_items.list(run.id, eval_id=evaluation.id)
        rows = sorted(items, key=lambda item: item.datasource_item_id)
        seen[name] = {
            "run": [run.status, run.result_counts.model_dump()],
            "asked": [item.datasource_item["input"] for item in rows],
            "answered": [item.sample.output[0].content for item in rows],
            "judged": [judged(item.results[0]) for item in rows],
        }
    return seen


def judged(result: Any) -> str:
    """Return what the judge was asked; early releases of the SDK leave results as they came."""
    sample = result["sample"] if isinstance(result, dict) else result.sample
    return sample["input"][1]["content"]


if __name__ == "__main__":
    main(*sys.argv[1:])
