"""Runs with a target, a judge, images and errors, made through the API of a server with rules of its own."""

import json
import time
from typing import Any

import httpx2

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ELSEWHERE = "http://images.example.test/cat.png"
REASON = "The width was taken twice."
NO_ANSWER = "The target is out of order."
CONFIG = f"""
[endpoints.rules]
scripted = true
prices = [{{ model = "*", input = 1.0, output = 2.0 }}]
[[endpoints.rules.rules]]
model = "target"
when = "out of order"
status = 400
answer = "{NO_ANSWER}"
[[endpoints.rules.rules]]
model = "target"
when = "echo (?s:(.*))"
answer = "{{1}}"
[[endpoints.rules.rules]]
model = "target"
answer = "It is 5"
[[endpoints.rules.rules]]
model = "judge"
when = "unsure"
answer = "I cannot say"
[[endpoints.rules.rules]]
model = "judge"
when = "verdict (?s:(.*))$"
answer = "{{1}}"
[[endpoints.rules.rules]]
model = "judge"
answer = '{{"steps":[{{"description":"{REASON}","conclusion":"The area is wrong."}}],"result":2}}'
"""
RIGHT_ANSWER: dict[str, Any] = {
    "type": "string_check",
    "name": "right answer",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.expected }}",
    "operation": "ilike",
}
_CRITERIA: list[dict[str, Any]] = [
    RIGHT_ANSWER,
    {
        "type": "score_model",
        "name": "clear reasoning",
        "model": "judge",
        "range": [1, 5],
        "pass_threshold": 4,
        "input": [
            {"role": "developer", "content": "You grade a solution from 1 to 5."},
            {"role": "user", "content": "{{ item.question }} {{ item.verdict }}"},
        ],
    },
]
_PROMPT: list[dict[str, Any]] = [
    {"role": "developer", "content": "Solve it."},
    {"role": "user", "content": "{{ item.question }}"},
]


def make_eval(http: httpx2.Client, name: str) -> str:
    """Make an eval whose items are checked and judged; return its id."""
    body = {
        "name": name,
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True},
        "testing_criteria": _CRITERIA,
    }
    return sent(http, "/v1/evals", body)["id"]


def run_items(http: httpx2.Client, eval_id: str, name: str, items: list[dict[str, Any]]) -> str:
    """Run items against the target; return the run's id when it has ended."""
    source = {
        "type": "completions",
        "model": "target",
        "input_messages": {"type": "template", "template": _PROMPT},
        "source": {"type": "file_content", "content": [{"item": item} for item in items]},
    }
    return ended(http, sent(http, f"/v1/evals/{eval_id}/runs", {"name": name, "data_source": source}))["id"]


def ended(http: httpx2.Client, run: dict[str, Any]) -> dict[str, Any]:
    """Return a run when it has ended."""
    while run["status"] in {"queued", "in_progress"}:
        time.sleep(0.1)
        run = http.get(f"/v1/evals/{run['eval_id']}/runs/{run['id']}").json()
    return run


def sent(http: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a POST."""
    answer = http.post(path, content=json.dumps(body))
    assert answer.is_success, answer.text
    return answer.json()
