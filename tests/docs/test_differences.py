"""Differences from the hosted API that docs/compatibility.md names and no other test shows."""

import json
import shutil
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.server import Server, show_server_logs

pytest_runtest_makereport = show_server_logs

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ROWS: list[dict[str, Any]] = [{"item": {"a": 1}}, {"item": {"a": "one"}}, {"item": {"b": 2}}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")).running() as running:
        yield running


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as opened:
        yield opened


def eval_body(schema: dict[str, Any] = SCHEMA) -> dict[str, Any]:
    criterion = {"type": "string_check", "name": "a", "input": "1", "operation": "eq", "reference": "{{ item.a }}"}
    return {"data_source_config": {"type": "custom", "item_schema": schema}, "testing_criteria": [criterion]}


def run_body(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"data_source": {"type": "jsonl", "source": {"type": "file_content", "content": rows}}}


def upload(http: httpx2.Client, content: bytes) -> httpx2.Response:
    return http.post("/v1/files", data={"purpose": "evals"}, files={"file": ("rows.jsonl", content)})


def new_eval(http: httpx2.Client) -> str:
    return http.post("/v1/evals", json=eval_body()).json()["id"]


def ended_run(http: httpx2.Client, eval_id: str, run: dict[str, Any]) -> dict[str, Any]:
    """Return a run once it has ended."""
    deadline = time.monotonic() + 30
    while run["status"] in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        run = http.get(f"/v1/evals/{eval_id}/runs/{run['id']}").json()
    return run


def test_a_creation_repeated_with_its_idempotency_key_makes_one_object(http: httpx2.Client) -> None:
    headers = {"idempotency-key": "the same eval"}
    first, second = (http.post("/v1/evals", json=eval_body(), headers=headers) for _ in range(2))
    runs = f"/v1/evals/{first.json()['id']}/runs"
    headers = {"idempotency-key": "the same run"}
    made, again = (http.post(runs, json=run_body(ROWS[:1]), headers=headers) for _ in range(2))
    other = http.post(runs, json=run_body([{"item": {"a": 2}}]), headers=headers)

    assert (first.status_code, second.status_code) == (made.status_code, again.status_code) == (201, 201)
    assert first.json() == second.json()
    assert made.json()["id"] == again.json()["id"]
    assert [run["id"] for run in http.get(runs).json()["data"]] == [made.json()["id"]]
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_key_reused")


def test_a_creation_repeated_after_its_object_was_deleted_names_the_idempotency_key(http: httpx2.Client) -> None:
    headers = {"idempotency-key": "an eval that goes"}
    eval_id = http.post("/v1/evals", json=eval_body(), headers=headers).json()["id"]
    runs, run_headers = f"/v1/evals/{eval_id}/runs", {"idempotency-key": "a run that goes"}
    run_id = http.post(runs, json=run_body(ROWS[:1]), headers=run_headers).json()["id"]
    http.delete(f"{runs}/{run_id}")
    run_again = http.post(runs, json=run_body(ROWS[:1]), headers=run_headers)
    http.delete(f"/v1/evals/{eval_id}")
    eval_again = http.post("/v1/evals", json=eval_body(), headers=headers)

    for answer, gone in ((run_again, run_id), (eval_again, eval_id)):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (404, "not_found", "Idempotency-Key")
        assert gone in error["message"]
        assert "choose a new key" in error["message"]


def test_inline_rows_that_break_the_schema_are_refused_and_no_run_is_made(http: httpx2.Client) -> None:
    eval_id = new_eval(http)
    refusal = http.post(f"/v1/evals/{eval_id}/runs", json=run_body(ROWS))
    error = refusal.json()["error"]

    assert (refusal.status_code, error["code"]) == (400, "invalid_data_source")
    assert error["param"] == "data_source.source.content"
    assert "row 1" in error["message"]
    assert "/a" in error["message"]
    assert "row 2" in error["message"]
    assert http.get(f"/v1/evals/{eval_id}/runs").json()["data"] == []


def test_rows_of_a_file_that_break_the_schema_fail_the_run_before_anything_is_graded(http: httpx2.Client) -> None:
    eval_id = new_eval(http)
    content = "\n".join(json.dumps(row) for row in [*ROWS, *[ROWS[1]] * 20]).encode()
    source = {"type": "file_id", "id": upload(http, content).json()["id"]}
    run = http.post(f"/v1/evals/{eval_id}/runs", json={"data_source": {"type": "jsonl", "source": source}}).json()
    run = ended_run(http, eval_id, run)

    assert (run["status"], run["error"]["code"]) == ("failed", "invalid_data_source")
    assert run["result_counts"]["total"] == 0
    assert [line in run["error"]["message"] for line in ("line 1:", "line 2:", "line 11:", "line 12:")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_sample_is_never_checked_against_the_schema(http: httpx2.Client) -> None:
    eval_id = new_eval(http)
    run = http.post(f"/v1/evals/{eval_id}/runs", json=run_body([{"item": {"a": 1}, "sample": {"choices": 1}}]))
    assert run.status_code == 201

    assert ended_run(http, eval_id, run.json())["result_counts"]["passed"] == 1


def test_a_schema_that_refers_elsewhere_is_refused(http: httpx2.Client) -> None:
    refusal = http.post("/v1/evals", json=eval_body({"$ref": "http://127.0.0.1:1/schema.json"}))

    assert refusal.status_code == 400
    assert refusal.json()["error"]["param"] == "data_source_config.item_schema"


def test_a_disk_that_takes_nothing_is_answered_with_503_until_it_does(http: httpx2.Client, server: Server) -> None:
    parts = server.data_dir / "blobs" / "parts"
    shutil.rmtree(parts)
    try:
        refusal = upload(http, b"{}")
        reading = http.get("/v1/files")
    finally:
        parts.mkdir()

    assert (refusal.status_code, refusal.headers["x-should-retry"]) == (503, "true")
    assert int(refusal.headers["retry-after"]) > 0
    assert reading.status_code == 200
    assert upload(http, b"{}").status_code == 200


def test_an_integer_written_with_a_fraction_is_refused(http: httpx2.Client) -> None:
    source = {"type": "stored_completions", "limit": 1.0}
    body = {"data_source": {"type": "completions", "source": source}}
    refusal = http.post(f"/v1/evals/{new_eval(http)}/runs", json=body)

    assert refusal.status_code == 400
    assert refusal.json()["error"]["param"] == "data_source.source.limit"
