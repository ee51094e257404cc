"""What a user of the API does in system tests: files, evals, runs."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import httpx2

from tests.server import SLOW_MODEL

JsonObject = dict[str, Any]

PATIENCE_S = 90.0
ACTIVE = ("queued", "in_progress")

ITEM_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "answer": {"type": "string"}, "expected": {"type": "string"}},
    "required": ["n", "answer", "expected"],
}
CRITERIA: list[JsonObject] = [
    {
        "type": "string_check",
        "name": "answer",
        "operation": "eq",
        "input": "{{ item.answer }}",
        "reference": "{{ item.expected }}",
    },
    {
        "type": "string_check",
        "name": "note",
        "operation": "like",
        "input": "{{ item.note }}",
        "reference": "seen",
    },
]


class Client(httpx2.Client):
    """An HTTP client with the steps that the tests have in common; each step raises if it is refused."""

    def __init__(self, url: str) -> None:
        super().__init__(base_url=url, timeout=PATIENCE_S, trust_env=False, verify=False)  # plain HTTP on loopback

    def upload(self, content: BinaryIO | bytes, **fields: str) -> str:
        """Upload a file and return its id."""
        files = {"file": ("rows.jsonl", content, "application/jsonl")}
        return _answer(self.post("/v1/files", data={"purpose": "evals", **fields}, files=files))["id"]

    def upload_path(self, path: Path, **fields: str) -> str:
        """Upload a file from the disk and return its id."""
        with path.open("rb") as content:
            return self.upload(content, **fields)

    def create_eval(self, criteria: list[JsonObject] | None = None, schema: JsonObject | None = None) -> str:
        """Create an eval and return its id."""
        config = {"type": "custom", "item_schema": schema or ITEM_SCHEMA}
        body = {"name": "system test", "data_source_config": config, "testing_criteria": criteria or CRITERIA}
        return _answer(self.post("/v1/evals", json=body))["id"]

    def start_run(self, eval_id: str, file_id: str) -> str:
        """Start a run over a file and return its id."""
        source = {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}
        return _answer(self.post(f"/v1/evals/{eval_id}/runs", json={"data_source": source}))["id"]

    def start_slow_run(self, eval_id: str, file_id: str) -> str:
        """Start a run over a file that takes `SLOW_ITEM_S` an item (tests/server.py) and return its id."""
        messages = {"type": "template", "template": [{"role": "user", "content": "{{ item.answer }}"}]}
        source = {"type": "completions", "source": {"type": "file_id", "id": file_id}, "input_messages": messages}
        body = {"data_source": {**source, "model": SLOW_MODEL}}
        return _answer(self.post(f"/v1/evals/{eval_id}/runs", json=body))["id"]

    def get_run(self, eval_id: str, run_id: str) -> JsonObject:
        """Return a run."""
        return _answer(self.get(f"/v1/evals/{eval_id}/runs/{run_id}"))

    def wait_for_end(self, eval_id: str, run_id: str, timeout_s: float = PATIENCE_S) -> JsonObject:
        """Return a run once it has a final status."""
        return self.wait_for(eval_id, run_id, lambda run: run["status"] not in ACTIVE, timeout_s)

    def wait_for_items(self, eval_id: str, run_id: str, count: int = 1) -> JsonObject:
        """Return a run once so many of its items are stored."""
        return self.wait_for(eval_id, run_id, lambda run: run["result_counts"]["total"] >= count)

    def wait_for(
        self, eval_id: str, run_id: str, holds: Callable[[JsonObject], bool], timeout_s: float = PATIENCE_S
    ) -> JsonObject:
        """Return a run once a condition holds for it."""
        deadline = time.monotonic() + timeout_s
        while not holds(run := self.get_run(eval_id, run_id)):
            assert time.monotonic() < deadline, f"after {timeout_s:.0f} s the run is still {run}"
            time.sleep(0.01)
        return run


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = PATIENCE_S, pause_s: float = 0.01) -> float:
    """Wait until a condition holds and return the seconds that it took; fail if it never does."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() < started + timeout_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(pause_s)
    return time.monotonic() - started


def age_leftovers(data_dir: Path) -> None:
    """Make what uploads have left unfinished two hours old: beside others, a server spares what is younger than one."""
    old = time.time() - 7200
    for name in ("parts", "unnamed"):
        for path in (data_dir / "blobs" / name).rglob("*"):
            os.utime(path, (old, old))


def item_rows(count: int, padding: int = 0) -> Iterator[JsonObject]:
    """Yield items; every fifth has a wrong answer, and every seventh lacks the value for a criterion.

    Args:
        count: How many.
        padding: Extra characters in each item.
    """
    for n in range(count):
        item: JsonObject = {"n": n, "answer": "no" if n % 5 == 0 else "yes", "expected": "yes"}
        if n % 7 != 0:
            item["note"] = "seen it"
        if padding:
            item["text"] = f"{n} ".ljust(padding, "x")
        yield item


def write_rows(path: Path, items: Iterable[JsonObject]) -> Path:
    """Write items as a JSONL data source."""
    with path.open("w") as file:
        for item in items:
            file.write(json.dumps({"item": item}, separators=(",", ":")) + "\n")
    return path


def _answer(response: httpx2.Response) -> JsonObject:
    assert response.is_success, f"{response.request.method} {response.url}: {response.status_code} {response.text}"
    answer: JsonObject = response.json()
    return answer
