"""Facts about `GET /api/events` as a client sees it, also while runs go on and when the server is restarted."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import NewServer, refusal_of, string_check, wait_for_end
from tests.databases import TemporaryDatabase
from tests.replicas import Replicas
from tests.server import Server

CONFIG = """
[endpoints.rules]
scripted = true
models = ["scripted"]

[[endpoints.rules.rules]]
when = "^wait$"
latency_ms = 60000
answer = "late"
"""
SAYS = string_check(name="right", input="{{ sample.output_text }}", reference="{{ item.b }}")


@dataclass
class Event:
    """One event of a stream."""

    name: str
    number: int
    data: dict[str, Any]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, temporary_database: TemporaryDatabase, new_server: NewServer
) -> Iterator[Server | Replicas]:
    directory = tmp_path_factory.mktemp("events")
    config = directory / "evalhaven.toml"
    config.write_text(CONFIG)
    with (
        temporary_database() as database_url,
        new_server(directory, database_url, EVALHAVEN_CONFIG=str(config)).running() as running,
    ):
        yield running
        for sign in ("request_failed_unexpectedly", "feed_failed", "Traceback", "Cancel "):
            assert sign not in running.log


@pytest.fixture(scope="module")
def http(server: Server | Replicas) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, headers=server.headers, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def parent(http: httpx2.Client) -> str:
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    return http.post("/v1/evals", json={"data_source_config": config, "testing_criteria": [SAYS]}).json()["id"]


def start(http: httpx2.Client, parent: str, *questions: str) -> dict[str, Any]:
    """Start a run that asks these questions."""
    source = {
        "type": "completions",
        "model": "scripted",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.q }}"}]},
        "source": {"type": "file_content", "content": [{"item": {"q": each, "b": "x"}} for each in questions]},
    }
    answer = http.post(f"/v1/evals/{parent}/runs", json={"data_source": source})
    assert answer.status_code == 201, answer.text
    return answer.json()


def events_of(response: httpx2.Response) -> Iterator[Event]:
    """Yield the events of a stream."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if not line and "data" in fields:
            yield Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def test_a_run_that_has_ended_is_told_at_once(http: httpx2.Client, parent: str) -> None:
    run = wait_for_end(http, start(http, parent, "a", "b"))
    answer = http.get("/api/events", params={"runs": run["id"]}, headers={"accept-encoding": "gzip"})

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-encoding" not in answer.headers
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache, no-transform", "no")
    assert answer.text.startswith("retry: 2000\n\n")
    progress, end = events_of(answer)
    assert (progress.name, end.name) == ("progress", "end")
    assert progress.data == end.data
    report = http.get(f"/api/runs/{run['id']}/report").json()
    told = end.data
    assert (told["run_id"], told["status"], told["partial"]) == (run["id"], "completed", False)
    assert (told["items"], told["items_planned"], told["failed"]) == (2, 2, 2)
    assert told["rate"] == report["rate"]
    assert (told["criteria"][0]["name"], told["criteria"][0]["rate"]) == ("right", report["criteria"][0]["rate"])
    assert (told["seconds_left"], told["error"]) == (None, None)
    assert told["tokens"]["total"] > 0


def test_a_run_under_way_is_followed_to_its_end(http: httpx2.Client, parent: str) -> None:
    ended = wait_for_end(http, start(http, parent, "a"))
    run = start(http, parent, "a", "b", "wait")
    seen: list[Event] = []
    with http.stream("GET", "/api/events", params={"runs": f"{run['id']},{ended['id']}"}) as answer:
        for event in events_of(answer):
            seen.append(event)
            if event.data["run_id"] == run["id"] and event.data["items"] == 2 and event.data["status"] == "in_progress":
                http.post(f"/v1/evals/{parent}/runs/{run['id']}")
    of_run = [each for each in seen if each.data["run_id"] == run["id"]]

    assert [each.name for each in seen if each.data["run_id"] == ended["id"]] == ["progress", "end"]
    assert of_run[0].name == "progress"
    assert of_run[0].data["partial"]
    assert [each.name for each in of_run[-2:]] == ["status", "end"]
    assert (of_run[-1].data["status"], of_run[-1].data["items"]) == ("canceled", 2)
    assert of_run[-1].data["partial"]
    numbers = [each.number for each in seen]
    assert numbers == sorted(numbers)


def test_a_deleted_run_ends_its_stream(http: httpx2.Client, parent: str) -> None:
    run = start(http, parent, "wait")
    with http.stream("GET", "/api/events", params={"runs": run["id"]}) as answer:
        found = events_of(answer)
        next(found)
        http.delete(f"/v1/evals/{parent}/runs/{run['id']}")
        last = list(found)[-1]
    assert (last.name, last.data["status"]) == ("end", "deleted")


def test_a_stream_goes_on_after_a_restart(http: httpx2.Client, server: Server | Replicas, parent: str) -> None:
    run = start(http, parent, "a", "wait")
    with httpx2.Client(base_url=server.url, headers=server.headers, timeout=60) as watching:
        with watching.stream("GET", "/api/events", params={"runs": run["id"]}) as answer:
            found = events_of(answer)
            first = next(each for each in found if each.data["items"] == 1)
            server.stop()
            # The stream ends by itself: nothing waits for it, and it says nothing of an end.
            assert [each.name for each in found if each.name == "end"] == []
        server.start()
        with watching.stream("GET", "/api/events", params={"runs": run["id"]}) as answer:
            again = next(events_of(answer))
    assert (again.name, again.data["items"], again.data["status"]) == ("progress", 1, "in_progress")
    assert again.number >= first.number
    http.post(f"/v1/evals/{parent}/runs/{run['id']}")


def test_many_streams_cost_one_look(http: httpx2.Client, server: Server | Replicas, parent: str) -> None:
    run = start(http, parent, "wait")
    told: list[str] = []

    def watch() -> None:
        address, query = f"{server.url}/api/events", {"runs": run["id"]}
        with httpx2.stream("GET", address, params=query, headers=server.headers, timeout=60) as answer:
            told.extend(each.name for each in events_of(answer))

    threads = [threading.Thread(target=watch) for _ in range(40)]
    for thread in threads:
        thread.start()
    http.post(f"/v1/evals/{parent}/runs/{run['id']}")
    for thread in threads:
        thread.join(60)
    assert told.count("end") == 40


def test_head_is_answered_without_a_stream(http: httpx2.Client, parent: str) -> None:
    run = start(http, parent, "wait")
    answer = http.head("/api/events", params={"runs": run["id"]})
    assert (answer.status_code, answer.content) == (200, b"")
    http.post(f"/v1/evals/{parent}/runs/{run['id']}")


@pytest.mark.parametrize(
    ("runs", "status"), [("evalrun_none", 404), ("", 400), (",".join("abc" for _ in range(51)), 400)]
)
def test_what_cannot_be_watched_is_refused(http: httpx2.Client, runs: str, status: int) -> None:
    assert refusal_of(http.get("/api/events", params={"runs": runs}), status)["param"] == "runs"
