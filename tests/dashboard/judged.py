"""A run whose items passed, failed and erred, with a judge, tools, images and reasoning, for looking at items."""

import json
import time
from typing import Any

import httpx2

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ELSEWHERE = "http://images.example.test/cat.png"
_VERDICT = '{"steps":[{"description":"The width was taken twice.","conclusion":"The area is wrong."}],"result":2}'
_CRITERIA: list[dict[str, Any]] = [
    {
        "type": "string_check",
        "name": "right answer",
        "input": "{{ sample.output_text }}",
        "reference": "{{ item.expected }}",
        "operation": "ilike",
    },
    {
        "type": "score_model",
        "name": "clear reasoning",
        "model": "judge",
        "range": [1, 5],
        "pass_threshold": 4,
        "input": [
            {"role": "developer", "content": "You grade a solution from 1 to 5."},
            {"role": "user", "content": "{{ item.question }}\nANSWER: {{ item.verdict }}"},
        ],
    },
]


def make_judged(
    http: httpx2.Client, rows: list[dict[str, Any]], name: str = "Judged", runs: int = 1
) -> tuple[str, list[str]]:
    """Make an eval with a judge, and runs of the same rows; return the ids of the eval and of the runs."""
    body = {
        "name": name,
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True},
        "testing_criteria": _CRITERIA,
    }
    parent = _sent(http, "/v1/evals", body)["id"]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    made: list[str] = []
    for number in range(runs):
        run = _sent(http, f"/v1/evals/{parent}/runs", {"name": f"{name} {number + 1}", "data_source": source})
        while run["status"] in {"queued", "in_progress"}:
            time.sleep(0.1)
            run = http.get(f"/v1/evals/{parent}/runs/{run['id']}").json()
        made.append(run["id"])
    return parent, made


def row(question: str, expected: str, message: dict[str, Any] | str, verdict: str = _VERDICT) -> dict[str, Any]:
    """Return a row with a recorded answer, and what the judge will say of it."""
    answer = {"role": "assistant", "content": message} if isinstance(message, str) else message
    choices = [{"index": 0, "message": answer, "finish_reason": "stop"}]
    item = {"question": question, "expected": expected, "verdict": verdict, "topic": question.split()[0]}
    return {"item": item, "sample": {"model": "recorded", "choices": choices}}


def _sent(http: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(path, content=json.dumps(body))
    assert answer.is_success, answer.text
    return answer.json()
