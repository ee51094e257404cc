"""Bulk comparison of prompts: each prompt with each model over the same rows, and what production answered beside it.

Written like published programs: one client for models and evals. `python compare_prompts.py URL`, facts on stdin,
what was seen on stdout.
"""

import itertools
import json
import sys
import time
from typing import Any

import openai

NOTIFICATIONS = ["- Ada: the tests pass - Bob: merged", "- Bank: 3 payments - Bank: low balance", "- Mum: call me"]
PROMPTS = {"basic": "Summarize the notifications.", "strict": "Summarize the notifications in one line without names."}
MODELS = ["gpt-4o-mini", "gpt-4.1"]
GRADER = """
Is the summary correct?
<notifications>{{ item.notifications }}</notifications>
<summary>{{ sample.output_text }}</summary>
ANSWER: correct
"""


def main(base_url: str, *_: str) -> None:
    """Do what the program does, and print what it saw."""
    json.load(sys.stdin)
    with openai.OpenAI(base_url=f"{base_url}/v1", api_key="any") as client:
        sys.stdout.write(json.dumps({"version": openai.__version__, **compare(client)}))


def compare(client: openai.OpenAI) -> dict[str, Any]:
    """Start all runs, wait for all of them, and tell how they ended."""
    evaluation: Any = client.evals.create(
        name="Notifications",
        data_source_config={
            "type": "custom",
            "item_schema": {"type": "object", "properties": {"notifications": {"type": "string"}}},
            "include_sample_schema": True,
        },
        testing_criteria=[
            {
                "type": "label_model",
                "name": "Correct",
                "model": "o3-mini",
                "input": [{"role": "user", "content": GRADER}],
                "labels": ["correct", "incorrect"],
                "passing_labels": ["correct"],
            }
        ],
    )
    runs: dict[str, Any] = {
        "production": client.evals.runs.create(evaluation.id, name="production", data_source=answered(client))
    }
    for (name, prompt), model in itertools.product(PROMPTS.items(), MODELS):
        runs[f"{name} {model}"] = client.evals.runs.create(
            evaluation.id, name=f"{name} {model}", data_source=sampled(prompt, model)
        )
    for name, run in list(runs.items()):
        runs[name] = end_of(client, run)
    return {"runs": {name: [run.status, run.model, run.result_counts.model_dump()] for name, run in runs.items()}}


def end_of(client: openai.OpenAI, run: Any) -> Any:
    """Return a run once it has ended."""
    while run.status not in ("completed", "failed", "canceled"):
        time.sleep(0.1)
        run = client.evals.runs.retrieve(run.id, eval_id=run.eval_id)
    return run


def answered(client: openai.OpenAI) -> Any:
    """Return the rows with what production answers now."""
    rows = [{"item": {"notifications": each}, "sample": ask(client, each).model_dump()} for each in NOTIFICATIONS]
    return {"type": "jsonl", "source": {"type": "file_content", "content": rows}}


def ask(client: openai.OpenAI, notifications: str) -> Any:
    """Ask the model as production does."""
    messages: Any = [
        {"role": "developer", "content": PROMPTS["basic"]},
        {"role": "user", "content": f"<notifications>{notifications}</notifications> ANSWER: All is well."},
    ]
    return client.chat.completions.create(model=MODELS[0], messages=messages)


def sampled(prompt: str, model: str) -> Any:
    """Return a data source that asks a model with a prompt."""
    return {
        "type": "completions",
        "model": model,
        "input_messages": {
            "type": "template",
            "template": [
                {"role": "developer", "content": prompt},
                {"role": "user", "content": "<notifications>{{ item.notifications }}</notifications> ANSWER: Well."},
            ],
        },
        "source": {"type": "file_content", "content": [{"item": {"notifications": each}} for each in NOTIFICATIONS]},
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
