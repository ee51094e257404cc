"""Monitoring of chat completions: two versions of a prompt in production, graded as stored, then replayed on a model.

Written like published programs: one client for models and evals, many calls at once, everything told from
`store` and `metadata`. `python monitor_chat.py URL`, facts on stdin, what was seen on stdout.
"""

import asyncio
import json
import sys
from typing import Any

import openai

NOTES = [f"Note {number}: the delivery of order {number} is late." for number in range(10)]
PROMPTS = {
    "v1": "Summarize the user's note.",
    "v2": "Summarize the user's note in at most ten words, and name the order.",
}
GRADER = """
You compare a summary with a note and decide whether it is complete.
<note>{{ item.input }}</note>
<summary>{{ sample.output_text }}</summary>
"""


async def main(base_url: str, *_: str) -> None:
    """Do what the program does, and print what it saw."""
    given = json.load(sys.stdin)
    async with openai.AsyncOpenAI(base_url=f"{base_url}/v1", api_key="any") as client:
        sys.stdout.write(json.dumps({"version": openai.__version__, **await monitor(client, given["usecase"])}))


async def monitor(client: openai.AsyncOpenAI, usecase: str) -> dict[str, Any]:
    """Ask for summaries, and evaluate them."""
    await asyncio.gather(*(summarize(client, usecase, version, note) for version in PROMPTS for note in NOTES))
    newest = (await client.chat.completions.list()).data[0]
    evaluation: Any = await client.evals.create(
        name="Summaries",
        data_source_config={"type": "stored_completions", "metadata": {"usecase": usecase}},
        testing_criteria=[
            {
                "type": "label_model",
                "name": "Complete",
                "model": "gpt-4.1-mini",
                "input": [
                    {"role": "developer", "content": "Label summaries."},
                    {"role": "user", "content": f"{GRADER}ANSWER: complete"},
                ],
                "labels": ["complete", "incomplete"],
                "passing_labels": ["complete"],
            }
        ],
    )
    runs = {f"stored {version}": await start(client, evaluation.id, version, {}) for version in PROMPTS}
    again = {
        "model": "gpt-4.1",
        "input_messages": {"type": "item_reference", "item_reference": "item.input"},
    }
    runs["replayed"] = await start(client, evaluation.id, "v2", again)
    ended = {name: await end_of(client, run) for name, run in runs.items()}
    return {
        "newest": newest.metadata,
        "runs": {name: [run.status, run.result_counts.model_dump()] for name, run in ended.items()},
        "items": {name: await items_of(client, run) for name, run in ended.items()},
    }


async def summarize(client: openai.AsyncOpenAI, usecase: str, version: str, note: str) -> None:
    """Ask for the summary of a note, and have the call stored."""
    await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "developer", "content": PROMPTS[version]},
            {"role": "user", "content": f"{note} ANSWER: Summary of {note}"},
        ],
        store=True,
        metadata={"usecase": usecase, "prompt_version": version},
    )


async def start(client: openai.AsyncOpenAI, eval_id: str, version: str, again: dict[str, Any]) -> Any:
    """Start a run over what one version of the prompt has brought."""
    source = {"type": "stored_completions", "metadata": {"prompt_version": version}}
    data_source: Any = {"type": "completions", "source": source, **again}
    return await client.evals.runs.create(eval_id, name=version, data_source=data_source)


async def end_of(client: openai.AsyncOpenAI, run: Any) -> Any:
    """Return a run once it has ended."""
    while run.status not in ("completed", "failed", "canceled"):
        await asyncio.sleep(0.1)
        run = await client.evals.runs.retrieve(run.id, eval_id=run.eval_id)
    return run


async def items_of(client: openai.AsyncOpenAI, run: Any) -> list[Any]:
    """Return what was asked and answered, in the order of the rows."""
    listed = client.evals.runs.output_items.list(run.id, eval_id=run.eval_id, limit=100)
    items: list[Any] = sorted([item async for item in listed], key=lambda item: item.datasource_item_id)
    return [[item.datasource_item["input"], item.sample.output[0].content] for item in items]


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
