"""One server for the whole suite; every JSON answer is checked against the server's own OpenAPI documents.

The suite runs on three of them: on SQLite, on PostgreSQL, and as `replicas`, which are two servers and four workers
behind a front that sends each request to the other server. These have API keys, and the suite sends one with the role
admin; the others have none. On replicas, `make check` runs a few files, and `make soak` and `make replicas` all.
"""

import json
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.document import AnswerChecker
from tests.databases import KINDS, PASSWORD, PostgresServer
from tests.replicas import Replicas
from tests.server import Server, show_server_logs

pytest_runtest_makereport = show_server_logs

FINAL = ("completed", "failed", "canceled")

MakeEval = Callable[..., dict[str, Any]]
MakeRun = Callable[..., dict[str, Any]]
Upload = Callable[..., str]
RunToEnd = Callable[..., dict[str, Any]]
NewServer = Callable[..., Server | Replicas]
# For facts about a server that has no keys, as on the machine of one person: replicas have some.
WITHOUT_KEYS = pytest.mark.parametrize("database_kind", KINDS, indirect=True)
# For facts that do not depend on what is stored, but must hold wherever requests are answered.
ON_ONE_DATABASE = pytest.mark.parametrize("database_kind", ["sqlite", "replicas"], indirect=True)


# Files whose facts are about what one process could keep to itself: keys, bytes, runs of workers, calls on their way.
_ALWAYS_ON_REPLICAS = ("test_replica_keys.py", "test_uploads.py")
_ARE_ALL_ON_REPLICAS = bool(os.environ.get("EVALHAVEN_REPLICAS"))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave most tests on replicas to the soak."""
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    is_on_replicas = parameters.get("database_kind") == "replicas"
    if is_on_replicas:
        is_always_run = _ARE_ALL_ON_REPLICAS or item.path.name in _ALWAYS_ON_REPLICAS
        item.add_marker(pytest.mark.proof if is_always_run else pytest.mark.soak)


@pytest.fixture(scope="session", params=[*KINDS, "replicas"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Name what a test runs on."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def new_server(database_kind: str) -> NewServer:
    """Return what makes a server of this kind, to be started."""

    def make(directory: Path, database_url: str | None, **environment: str) -> Server | Replicas:
        if database_kind != "replicas":
            return Server(directory, database_url, **environment)
        assert database_url is not None
        return _with_keys(Replicas(directory, database_url, **environment))

    return make


def _with_keys(replicas: Replicas) -> Replicas:
    """Have every request need a key; the suite sends one with the role admin, as people and programs of a team do."""
    replicas.take_keys()
    return replicas


@contextmanager
def _watched(server: Server | Replicas) -> Generator[Server | Replicas]:
    with server.running() as running:
        processes = [each.process.pid for each in running.servers]
        yield running
        assert all(each.is_up for each in running.servers), "the server lived through it all"
        assert [each.process.pid for each in running.servers] == processes
        assert PASSWORD not in running.log
        for sign in ("request_failed_unexpectedly", "run_failed_unexpectedly", "executor_died", "Traceback"):
            assert sign not in running.log


_SETTINGS = {
    "EVALHAVEN_GATEWAY": "on",
    "EVALHAVEN_MAX_BODY_MB": "16",
    "EVALHAVEN_WEBHOOK_ALLOW_PRIVATE": "127.0.0.0/8",
}


@pytest.fixture(scope="session")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server | Replicas]:
    with _watched(Server(tmp_path_factory.mktemp("server"), None, **_SETTINGS)) as running:
        yield running


@pytest.fixture(scope="session")
def postgresql_server(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> Iterator[Server | Replicas]:
    with (
        postgres.temporary_database() as url,
        _watched(Server(tmp_path_factory.mktemp("server"), url, **_SETTINGS)) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def replicas_server(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Server | Replicas]:
    with (
        postgres.temporary_database() as url,
        _watched(_with_keys(Replicas(tmp_path_factory.mktemp("server"), url, **_SETTINGS))) as running,
    ):
        yield running
        for each in running.servers:
            assert "status=200" in each.log, "each of them has answered"


@pytest.fixture(scope="session")
def server(database_kind: str, request: pytest.FixtureRequest) -> Server | Replicas:
    """Return the server of each kind in turn; all stay up, so that switching costs nothing."""
    found: Server | Replicas = request.getfixturevalue(f"{database_kind}_server")
    return found


@pytest.fixture(scope="session")
def document(server: Server | Replicas) -> dict[str, Any]:
    """The server's OpenAPI document of the contract."""
    answer = httpx2.get(f"{server.url}/openapi.json", timeout=60)
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture(scope="session")
def extension_document(server: Server | Replicas) -> dict[str, Any]:
    """The server's OpenAPI document of what is below `/api/`."""
    answer = httpx2.get(f"{server.url}/api/openapi.json", timeout=60)
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture(scope="session")
def checker(document: dict[str, Any]) -> AnswerChecker:
    return AnswerChecker(document)


@pytest.fixture(scope="session")
def http(
    server: Server | Replicas, checker: AnswerChecker, extension_document: dict[str, Any]
) -> Iterator[httpx2.Client]:
    hooks = {"response": [checker.check, AnswerChecker(extension_document).check]}
    with httpx2.Client(base_url=server.url, headers=server.headers, timeout=30, event_hooks=hooks) as opened:
        yield opened


@pytest.fixture(scope="session")
def client(server: Server | Replicas, checker: AnswerChecker) -> Iterator[openai.OpenAI]:
    transport = httpx2.Client(event_hooks={"response": [checker.check]})
    with openai.OpenAI(
        base_url=f"{server.url}/v1",
        api_key=server.key or "anything",
        max_retries=0,
        timeout=30,
        http_client=transport,
    ) as opened:
        yield opened


@pytest.fixture(scope="session")
def make_eval(http: httpx2.Client) -> MakeEval:
    """Create an eval; by default one whose criterion compares `item.a` with `item.b`."""

    def make(**changes: Any) -> dict[str, Any]:
        answer = http.post("/v1/evals", content=json.dumps(eval_body(**changes)))
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


@pytest.fixture(scope="session")
def make_run(http: httpx2.Client) -> MakeRun:
    """Create a run of an eval; by default a `jsonl` run over the given inline rows."""

    def make(parent: dict[str, Any], rows: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
        body = {"data_source": inline_source(rows), **changes}
        answer = http.post(f"/v1/evals/{parent['id']}/runs", content=json.dumps(body))
        assert answer.status_code == 201, answer.text
        return answer.json()

    return make


@pytest.fixture(scope="session")
def run_to_end(http: httpx2.Client, make_run: MakeRun) -> RunToEnd:
    """Create a run as `make_run` does and return it as it is when it has ended."""

    def run(parent: dict[str, Any], rows: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
        return wait_for_end(http, make_run(parent, rows, **changes))

    return run


@pytest.fixture(scope="session")
def upload(http: httpx2.Client) -> Upload:
    """Upload content and return the file's id."""

    def send(content: bytes, filename: str = "rows.jsonl", purpose: str = "evals") -> str:
        answer = http.post("/v1/files", files={"file": (filename, content)}, data={"purpose": purpose})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    return send


def string_check(**changes: Any) -> dict[str, Any]:
    """Return a criterion that compares `item.a` with `item.b`."""
    return {
        "type": "string_check",
        "name": "same",
        "input": "{{ item.a }}",
        "reference": "{{ item.b }}",
        "operation": "eq",
        **changes,
    }


def eval_body(**changes: Any) -> dict[str, Any]:
    """Return the body of an eval's creation with keys replaced."""
    return {
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
        "testing_criteria": [string_check()],
        **changes,
    }


def inline_source(rows: list[Any] | None = None) -> dict[str, Any]:
    """Return a `jsonl` data source with inline rows; by default a single row, which passes."""
    content = [{"item": {"a": "x", "b": "x"}}] if rows is None else rows
    return {"type": "jsonl", "source": {"type": "file_content", "content": content}}


def file_source(file_id: str) -> dict[str, Any]:
    """Return a `jsonl` data source that reads a file."""
    return {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}


def wait_for_end(http: httpx2.Client, run: dict[str, Any], timeout_s: float = 60) -> dict[str, Any]:
    """Return a run as it is when it has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        answer = http.get(f"/v1/evals/{run['eval_id']}/runs/{run['id']}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        if found["status"] in FINAL:
            return found
        time.sleep(0.02)
    raise AssertionError(f"run {run['id']} did not end within {timeout_s} s")


def items_of(http: httpx2.Client, run: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    """Return the output items of a run, up to 1000, in the order of the rows."""
    answer = http.get(
        f"/v1/evals/{run['eval_id']}/runs/{run['id']}/output_items", params={"limit": "1000", "order": "asc", **query}
    )
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["data"], key=lambda item: item["datasource_item_id"])


def refusal_of(answer: httpx2.Response, status: int = 400) -> dict[str, Any]:
    """Return the `error` of a refusal after checking what all refusals have in common."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"].startswith("req_")
    return error
