"""Evals with many runs, for looking at lists: rising, falling, steady, failing, running, and one that never ran."""

import json
import random
import time
from typing import Any

import httpx2

_STORIES: dict[str, tuple[int, list[float]]] = {
    "Refund policy answers": (240, [0.78, 0.8, 0.8, 0.83, 0.86, 0.9, 0.9, 0.84]),
    "Support tickets: routing": (72, [0.93, 0.9, 0.88, 0.86, 0.87, 0.88, 0.9, 0.9, 0.917]),
    "Invoice fields": (512, [0.84, 0.86, 0.87, 0.86, 0.88, 0.876, 0.92]),
    "HumanEval": (164, [0.7, 0.68, 0.71, 0.74, 0.787, 0.8]),
    "PII redaction": (400, [0.99, 0.993, 0.992, 0.994]),
    "RAG citations": (180, [0.75, 0.82, 0.7, 0.69, 0.71, 0.67, 0.639]),
    "Tool choice": (10, [0.6, 0.7, 0.6, 0.7]),
    "Jailbreak refusals": (300, [0.971]),
    "Onboarding emails": (0, []),
}


def make_lists(http: httpx2.Client, seed: int = 1) -> None:
    """Make the evals and their runs, one after the other."""
    chance = random.Random(seed)
    for name, (items, rates) in _STORIES.items():
        parent = _sent(http, "/v1/evals", _eval(name))
        for number, rate in enumerate(rates):
            right = [chance.random() < rate for _ in range(items)]
            rows = [
                {"item": {"question": f"{name} {at}"}, "sample": _sample(is_right)} for at, is_right in enumerate(right)
            ]
            run = _sent(http, f"/v1/evals/{parent['id']}/runs", _run(f"Version {number + 1}", rows))
            while run["status"] in {"queued", "in_progress"}:
                time.sleep(0.05)
                run = http.get(f"/v1/evals/{parent['id']}/runs/{run['id']}").json()


def _eval(name: str) -> dict[str, Any]:
    criteria = ["right answer", *(["no apology", "short"] if " " in name else [])]
    return {
        "name": name,
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True},
        "testing_criteria": [
            {
                "type": "string_check",
                "name": each,
                "input": "{{ sample.output_text }}",
                "reference": "yes" if number == 0 else "never",
                "operation": "eq" if number == 0 else "ne",
            }
            for number, each in enumerate(criteria)
        ],
    }


def _sample(is_right: bool) -> dict[str, Any]:
    message = {"role": "assistant", "content": "yes" if is_right else "no"}
    return {"model": "recorded", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def _run(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "data_source": {"type": "jsonl", "source": {"type": "file_content", "content": rows}}}


def _sent(http: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(path, content=json.dumps(body))
    answer.raise_for_status()
    return answer.json()
