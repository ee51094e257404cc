"""Real outputs of four models over 1,319 questions: the published numbers of correct answers come out."""

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import openai
import pytest

PUBLISHED = {
    "6b_finetuning": 286,
    "6b_verification": 515,
    "175b_finetuning": 458,
    "175b_verification": 742,
}
BY_FILE = ("6b_finetuning", "175b_verification")
QUESTIONS = 1319
_ANSWER = re.compile(r"^A: (.*)$", re.MULTILINE)


def answer_of(text: str) -> str:
    """Return what follows `A:` in the last such line, without commas and dollar signs; empty if there is none."""
    found = _ANSWER.findall(text)
    return found[-1].strip().replace(",", "").replace("$", "") if found else ""


def row_of(record: dict[str, Any], model: str) -> dict[str, Any]:
    answer = answer_of(record[model]["solution"])
    message = {"role": "assistant", "content": answer}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    item = {"question": record["question"], "ideal": answer_of(record["ground_truth"]), "answer": answer}
    return {"item": item, "sample": {"model": model, "choices": [choice]}}


@pytest.fixture(scope="module")
def records(shared_dir: Path) -> list[dict[str, Any]]:
    with (shared_dir / "data" / "gsm8k_model_solutions.jsonl").open(encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    assert len(found) == QUESTIONS
    return found


@pytest.fixture(scope="module")
def parent(client: openai.OpenAI) -> str:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("question", "ideal", "answer")},
        "required": ["question", "ideal", "answer"],
        "additionalProperties": False,
    }
    return client.evals.create(
        name="GSM8K",
        data_source_config={"type": "custom", "item_schema": schema, "include_sample_schema": True},
        testing_criteria=[
            {
                "type": "string_check",
                "name": "answer is the ideal one",
                "input": "{{ sample.output_text }}",
                "reference": "{{ item.ideal }}",
                "operation": "eq",
            }
        ],
    ).id


def _run(client: openai.OpenAI, parent: str, model: str, rows: list[dict[str, Any]]) -> Any:
    if model in BY_FILE:
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        file = client.files.create(file=(f"{model}.jsonl", io.BytesIO(lines)), purpose="evals")
        source: Any = {"type": "file_id", "id": file.id}
    else:
        source = {"type": "file_content", "content": rows}
    run = client.evals.runs.create(parent, name=model, data_source={"type": "jsonl", "source": source})
    deadline = time.monotonic() + 60
    while run.status in {"queued", "in_progress"} and time.monotonic() < deadline:
        time.sleep(0.05)
        run = client.evals.runs.retrieve(run.id, eval_id=parent)
    return run


@pytest.mark.proof
@pytest.mark.parametrize("model", PUBLISHED)
def test_a_run_over_recorded_answers_counts_as_many_correct_ones_as_were_published(
    client: openai.OpenAI, parent: str, records: list[dict[str, Any]], model: str
) -> None:
    rows = [row_of(record, model) for record in records]
    run = _run(client, parent, model, rows)
    assert run.status == "completed", run.error
    counts = run.result_counts
    passed = PUBLISHED[model]
    assert (counts.passed, counts.failed, counts.errored, counts.total) == (passed, QUESTIONS - passed, 0, QUESTIONS)
    [criterion] = run.per_testing_criteria_results
    assert (criterion.passed, criterion.failed) == (passed, QUESTIONS - passed)
    newest_first = list(client.evals.runs.output_items.list(run.id, eval_id=parent, limit=100, order="desc"))
    oldest_first = list(client.evals.runs.output_items.list(run.id, eval_id=parent, limit=100, order="asc"))
    assert [item.id for item in oldest_first] == [item.id for item in reversed(newest_first)]
    assert sorted(item.datasource_item_id for item in oldest_first) == list(range(QUESTIONS))
    for item in oldest_first:
        assert item.datasource_item == rows[item.datasource_item_id]["item"]
    assert {item.datasource_item_id for item in oldest_first if item.status == "pass"} == {
        position for position, record in enumerate(records) if record[model]["is_correct"]
    }


@pytest.mark.parametrize("status", ["pass", "fail"])
def test_a_filtered_list_pages_completely_too(
    client: openai.OpenAI, parent: str, records: list[dict[str, Any]], status: Any
) -> None:
    rows = [row_of(record, "6b_verification") for record in records[:400]]
    run = _run(client, parent, "6b_verification", rows)
    found = list(client.evals.runs.output_items.list(run.id, eval_id=parent, limit=30, status=status))
    expected = run.result_counts.passed if status == "pass" else run.result_counts.failed
    assert len({item.id for item in found}) == expected
    assert {item.status for item in found} == {status}
