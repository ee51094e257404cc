"""Facts about `GET /api/models`, `/api/files` and `/api/logs/calls` as a client sees them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import NewServer, file_source, refusal_of, string_check, wait_for_end
from tests.databases import TemporaryDatabase
from tests.replicas import Replicas
from tests.server import Server

CONFIG = """
[endpoints.rules]
scripted = true
models = ["scripted", "priced*"]
max_concurrency = 7
aliases = { fast = "scripted" }

[[endpoints.rules.prices]]
model = "priced*"
input = 1.0
output = 2.0

[endpoints.gone]
base_url = "http://127.0.0.1:9/v1"
api_key_env = "GONE_KEY"
models = ["gone"]
retry_for_s = 0
"""
ROWS = b'{"item": {"q": "a", "b": "x"}}\n{"item": {"q": "b", "b": "x"}}\n'
SAYS = string_check(name="right", input="{{ sample.output_text }}", reference="{{ item.b }}")


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, temporary_database: TemporaryDatabase, new_server: NewServer
) -> Iterator[Server | Replicas]:
    directory = tmp_path_factory.mktemp("inventory")
    config = directory / "evalhaven.toml"
    config.write_text(CONFIG)
    with (
        temporary_database() as database_url,
        new_server(
            directory, database_url, EVALHAVEN_CONFIG=str(config), GONE_KEY="s3cret", EVALHAVEN_LOG_DAYS="3650"
        ).running() as running,
    ):
        yield running
        for sign in ("request_failed_unexpectedly", "Traceback"):
            assert sign not in running.log


@pytest.fixture(scope="module")
def http(server: Server | Replicas) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, headers=server.headers, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def file_id(http: httpx2.Client) -> str:
    answer = http.post("/v1/files", files={"file": ("Röws.jsonl", ROWS)}, data={"purpose": "evals"})
    return answer.json()["id"]


@pytest.fixture(scope="module")
def run(http: httpx2.Client, file_id: str) -> dict[str, Any]:
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    body = {"name": "of files", "data_source_config": config, "testing_criteria": [SAYS]}
    parent = http.post("/v1/evals", json=body).json()["id"]
    source = {
        **file_source(file_id),
        "type": "completions",
        "model": "scripted",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.q }}"}]},
    }
    made = http.post(f"/v1/evals/{parent}/runs", json={"data_source": source, "evalhaven": {"repeats": 2}})
    assert made.status_code == 201, made.text
    return wait_for_end(http, made.json())


def test_endpoints_are_listed_with_what_the_last_runs_saw_of_them(http: httpx2.Client, run: dict[str, Any]) -> None:
    answer = http.get("/api/models")
    page = answer.json()
    rules, gone = page["data"][:2]

    assert page["source"].endswith("evalhaven.toml")
    assert (rules["name"], rules["scripted"], rules["models"]) == ("rules", True, ["scripted", "priced*"])
    assert (rules["aliases"], rules["limits"]["max_concurrency"]) == ({"fast": "scripted"}, 7)
    assert rules["prices"] == [{"model": "priced*", "input": 1.0, "cached_input": None, "output": 2.0}]
    [seen] = rules["seen"]
    assert (seen["run_id"], seen["role"], seen["model"], seen["reachable"]) == (run["id"], "target", "scripted", True)
    assert (seen["run_name"], seen["eval_id"]) == (run["name"], run["eval_id"])
    assert seen["at"] == run["evalhaven"]["ended_at"]
    assert seen["limiter"]["max_concurrency"] == 7
    assert (gone["name"], gone["base_url"], gone["seen"]) == ("gone", "http://127.0.0.1:9/v1", [])
    assert "s3cret" not in answer.text


def test_files_are_listed_with_the_runs_that_read_them(http: httpx2.Client, file_id: str, run: dict[str, Any]) -> None:
    unused = http.post("/v1/files", files={"file": ("other.jsonl", ROWS)}, data={"purpose": "evals"}).json()["id"]
    other, read = http.get("/api/files").json()["data"]

    assert (read["id"], read["filename"], read["size_bytes"]) == (file_id, "Röws.jsonl", len(ROWS))
    assert (read["rows"], read["runs"]) == (2, 1)
    [reader] = read["used_by"]
    assert (reader["run_id"], reader["eval_name"], reader["status"]) == (run["id"], "of files", "completed")
    assert (other["id"], other["rows"], other["runs"], other["used_by"]) == (unused, None, 0, [])

    first = http.get("/api/files", params={"limit": 1}).json()
    assert ([each["id"] for each in first["data"]], first["has_more"]) == ([unused], True)
    second = http.get("/api/files", params={"limit": 1, "after": first["next"]}).json()
    assert ([each["id"] for each in second["data"]], second["next"]) == ([file_id], None)
    for query, found in (({"search": "RÖWS"}, [file_id]), ({"purpose": "batch"}, []), ({"search": unused}, [unused])):
        assert [each["id"] for each in http.get("/api/files", params=query).json()["data"]] == found
    http.delete(f"/v1/files/{unused}")
    assert len(http.get("/api/files").json()["data"]) == 1


CALLS: tuple[dict[str, Any], ...] = (
    {
        "request": {
            "model": "m",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Why?"}],
        },
        "reply": {
            "object": "chat.completion",
            "id": "chatcmpl-1",
            "model": "m-1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 500}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        },
        "metadata": {"app": "shop"},
        "created_at": 1_760_000_000,
        "latency_ms": 12,
    },
    {
        "request": {"model": "r", "input": "How?"},
        "reply": {
            "object": "response",
            "id": "resp_1",
            "model": "r-1",
            "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "So."}]}],
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        },
        "created_at": 1_760_000_100,
    },
)


@pytest.fixture(scope="module")
def logged(http: httpx2.Client) -> list[str]:
    answer = http.post("/api/logs", content="\n".join(map(json.dumps, CALLS)))
    assert answer.json()["stored"] == 2, answer.text
    return ["chatcmpl-1", "resp_1"]


def test_calls_of_both_apis_are_shown_at_a_glance(http: httpx2.Client, logged: list[str]) -> None:
    response, chat = http.get("/api/logs/calls").json()["data"]

    assert [chat["id"], response["id"]] == logged
    assert chat == {
        "id": "chatcmpl-1",
        "kind": "chat",
        "created_at": 1_760_000_000,
        "asked_model": "m",
        "model": "m-1",
        "metadata": {"app": "shop"},
        "input": "Why?",
        "output": "x" * 300 + "…",
        "finish_reason": "stop",
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "latency_ms": 12,
        "first_byte_ms": None,
    }
    assert (response["kind"], response["input"], response["output"]) == ("responses", "How?", "So.")
    assert (response["prompt_tokens"], response["completion_tokens"]) == (1, 2)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "chat"}, ["chatcmpl-1"]),
        ({"kind": "responses"}, ["resp_1"]),
        ({"model": "m-1"}, ["chatcmpl-1"]),
        ({"metadata[app]": "shop"}, ["chatcmpl-1"]),
        ({"text": "how"}, ["resp_1"]),
        ({"created_after": 1_760_000_050}, ["resp_1"]),
        ({"created_before": 1_760_000_050}, ["chatcmpl-1"]),
        ({"order": "asc"}, ["chatcmpl-1", "resp_1"]),
    ],
)
def test_calls_are_chosen(http: httpx2.Client, logged: list[str], query: dict[str, Any], found: list[str]) -> None:
    assert logged
    assert [each["id"] for each in http.get("/api/logs/calls", params=query).json()["data"]] == found


def test_pages_of_calls_follow_each_other(http: httpx2.Client, logged: list[str]) -> None:
    first = http.get("/api/logs/calls", params={"limit": 1}).json()
    second = http.get("/api/logs/calls", params={"limit": 1, "after": first["next"]}).json()
    assert [first["data"][0]["id"], second["data"][0]["id"]] == logged[::-1]
    assert (second["has_more"], second["next"]) == (False, None)


def test_a_call_is_found_by_its_id(http: httpx2.Client, logged: list[str]) -> None:
    for call, call_id in zip(CALLS, logged, strict=True):
        found = http.get(f"/api/logs/calls/{call_id}").json()
        assert (found["id"], found["pending"]) == (call_id, False)
        assert call["request"].items() <= found["request"].items()
        assert found["reply"]["model"] == call["reply"]["model"]
    assert refusal_of(http.get("/api/logs/calls/chatcmpl-none"), 404)["param"] == "call_id"


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("files", {"after": "x"}, "after"),
        ("files", {"limit": 0}, "limit"),
        ("logs/calls", {"kind": "x"}, "kind"),
        ("logs/calls", {"after": "x"}, "after"),
        ("logs/calls", {"metadata": "x"}, "metadata"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    http: httpx2.Client, path: str, query: dict[str, Any], param: str
) -> None:
    assert refusal_of(http.get(f"/api/{path}", params=query))["param"] == param
