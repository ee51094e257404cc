"""Two servers beside each other: what went through one is found through the other, whatever becomes of either."""

import contextlib
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.databases import PostgresServer
from tests.server import Server
from tests.system.calling import log_status
from tests.system.client import wait_until
from tests.system.commands import call_command
from tests.system.faulty import faulty_upstream
from tests.system.inside import recorders_of

_WITHIN_S = 1.0
_ENDPOINT = """
[endpoints.up]
base_url = "{url}"
models = ["m"]
"""
_TWO_HOURS_S = 7200


class Pair:
    """Two servers of one database and one directory of files; the first has a worker."""

    def __init__(self, directory: Path, database_url: str, upstream_url: str) -> None:
        config = directory / "evalhaven.toml"
        config.write_text(_ENDPOINT.format(url=upstream_url))
        self.shared_dir = directory / "shared"
        self.shared_dir.mkdir(mode=0o755)
        self.servers: list[Server] = []
        for name, arguments in (("first", ()), ("second", ("--no-worker",))):
            home = directory / name
            home.mkdir()
            server = Server(
                home,
                database_url,
                *arguments,
                EVALHAVEN_CONFIG=str(config),
                EVALHAVEN_SHARED_DIR=str(self.shared_dir),
                EVALHAVEN_GATEWAY="on",
            )
            self.servers.append(server)

    @property
    def first(self) -> Server:
        return self.servers[0]

    @property
    def second(self) -> Server:
        return self.servers[1]

    @property
    def blobs(self) -> list[str]:
        """Names of what is stored for the project."""
        return [path.name for path in self.shared_dir.glob("blobs/1/*")]

    @property
    def parts(self) -> list[Path]:
        """Files that are being written."""
        return list((self.shared_dir / "blobs" / "parts").iterdir())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Pair]:
    with postgres.temporary_database() as url, faulty_upstream() as upstream, contextlib.ExitStack() as stack:
        found = Pair(tmp_path_factory.mktemp("pair"), url, upstream.url)
        for server in found.servers:
            stack.callback(server.stop)
            server.start(wait_until_ready=False)
        for server in found.servers:
            server.wait_until_ready()
        yield found
        for server in found.servers:
            assert "Traceback" not in server.log


@pytest.fixture
def first(pair: Pair) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=pair.first.url, timeout=30) as client:
        yield client


@pytest.fixture
def second(pair: Pair) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=pair.second.url, timeout=30) as client:
        yield client


@contextlib.contextmanager
def recorder_stopped(server: Server) -> Generator[None]:
    """Keep a server's calls from being stored during a block."""
    (recorder,) = recorders_of(server.data_dir)
    recorder.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        # Where its server was killed meanwhile, it may have ended with it.
        with contextlib.suppress(psutil.NoSuchProcess):
            recorder.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def recorder_late(server: Server, late_s: float = 0.15) -> Generator[None]:
    """Have a server's calls stored a while after the block has begun."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(recorder_stopped(server))
        timer = threading.Timer(late_s, stack.close)
        timer.start()
        yield
        timer.join()


def respond(client: httpx2.Client, said: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/responses", json={"model": "m", "input": said, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def complete(client: httpx2.Client, said: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": said}]
    answer = client.post("/v1/chat/completions", json={"model": "m", "messages": messages, "store": True, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def status_of(client: httpx2.Client, path: str, method: str = "GET", **request: Any) -> int:
    return client.request(method, path, **request).status_code


def test_the_shared_directory_is_for_its_owner_alone(pair: Pair) -> None:
    assert (pair.shared_dir / "blobs").is_dir()
    assert stat.S_IMODE(pair.shared_dir.stat().st_mode) == 0o700


@pytest.mark.parametrize("tail", ["", "/input_items"])
def test_a_response_is_read_at_the_other_server_before_it_is_stored(
    pair: Pair, first: httpx2.Client, second: httpx2.Client, tail: str
) -> None:
    with recorder_late(pair.first):
        made = respond(first, "What? ANSWER: that")
        assert status_of(second, f"/v1/responses/{made['id']}{tail}") == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions/{}", "/v1/chat/completions/{}/messages", "/api/logs/calls/{}"])
def test_a_completion_is_read_at_the_other_server_before_it_is_stored(
    pair: Pair, first: httpx2.Client, second: httpx2.Client, path: str
) -> None:
    with recorder_late(pair.first):
        made = complete(first, "What? ANSWER: that")
        assert status_of(second, path.format(made["id"])) == 200


def test_a_conversation_goes_on_at_the_other_server_before_it_is_stored(
    pair: Pair, first: httpx2.Client, second: httpx2.Client
) -> None:
    with recorder_late(pair.first):
        begun = respond(first, "One? ANSWER: 1")
        went_on = respond(second, "Two? ANSWER: 2", previous_response_id=begun["id"])
    listed = first.get(f"/v1/responses/{went_on['id']}/input_items", params={"order": "asc"}).json()["data"]
    assert [each["content"][0]["text"] for each in listed] == ["One? ANSWER: 1", "1", "Two? ANSWER: 2"]


def test_what_does_not_arrive_is_not_found_after_a_second(
    pair: Pair, first: httpx2.Client, second: httpx2.Client
) -> None:
    body = {"model": "m", "input": "x"}
    with recorder_stopped(pair.first):
        made = respond(first, "What?")
        assert status_of(second, f"/v1/responses/{made['id']}") == 404
        refused = second.post("/v1/responses", json={**body, "previous_response_id": made["id"]})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "previous_response_not_found")
        assert status_of(first, f"/v1/responses/{made['id']}") == 200


def test_a_call_that_is_not_stored_yet_is_changed_and_deleted_at_the_other_server(
    pair: Pair, first: httpx2.Client, second: httpx2.Client
) -> None:
    with recorder_late(pair.first):
        path = f"/v1/chat/completions/{complete(first, 'What?')['id']}"
        assert status_of(second, path, "POST", json={"metadata": {"by": "second"}}) == 200
    assert first.get(path).json()["metadata"] == {"by": "second"}
    with recorder_late(pair.first):
        path = f"/v1/chat/completions/{complete(first, 'What?')['id']}"
        assert status_of(second, path, "DELETE") == 200
    assert status_of(first, path) == 404


def test_lists_filters_and_runs_have_the_calls_of_both_servers(first: httpx2.Client, second: httpx2.Client) -> None:
    marked = {"metadata": {"by": "both"}}
    made = [complete(client, f"{n}? ANSWER: yes", **marked)["id"] for n in range(3) for client in (first, second)]
    query = {"metadata[by]": "both", "order": "asc"}
    for client in (first, second):
        for path in ("/v1/chat/completions", "/api/logs/calls"):
            wait_until(
                lambda client=client, path=path: (
                    sorted(each["id"] for each in client.get(path, params=query).json()["data"]) == sorted(made)
                ),
                "all calls are listed",
                timeout_s=10,
            )
    pages = [second.get("/v1/chat/completions", params={**query, "limit": "4"}).json()]
    pages += [first.get("/v1/chat/completions", params={**query, "limit": "4", "after": pages[0]["last_id"]}).json()]
    assert sorted(each["id"] for page in pages for each in page["data"]) == sorted(made)

    config = {"type": "stored_completions", "metadata": {"by": "both"}}
    criterion = {
        "type": "string_check",
        "name": "yes",
        "operation": "eq",
        "input": "{{ sample.output_text }}",
        "reference": "yes",
    }
    parent = first.post("/v1/evals", json={"data_source_config": config, "testing_criteria": [criterion]}).json()
    source = {"type": "stored_completions", "metadata": {"by": "both"}}
    # A call that the other server has just answered may be a second away.
    complete(first, "last? ANSWER: no", **marked)
    time.sleep(_WITHIN_S)
    started = second.post(
        f"/v1/evals/{parent['id']}/runs", json={"data_source": {"type": "completions", "source": source}}
    )
    assert started.status_code == 201, started.text
    path = f"/v1/evals/{parent['id']}/runs/{started.json()['id']}"
    wait_until(lambda: first.get(path).json()["status"] == "completed", "the run ends")
    counts = second.get(path).json()["result_counts"]
    assert (counts["total"], counts["passed"]) == (7, 6)


def test_any_server_tells_what_both_have_lost_and_how_many_they_are(
    pair: Pair, first: httpx2.Client, second: httpx2.Client
) -> None:
    wait_until(lambda: log_status(pair.second)["pending"] == 0, "nothing waits")
    before = log_status(pair.second)
    assert (before["servers"], before["problem"], before["lost"]["killed"]) == (2, None, 0)
    with recorder_stopped(pair.first):
        complete(first, "What?")
        wait_until(lambda: log_status(pair.second)["pending"] == 1, "what waits at the other is told here")
        said = call_command("logs", "status", "--url", pair.second.url).stdout
        assert "Waiting to be stored: 1." in said
        assert "Servers that share the database: 2." in said
        pair.first.kill()
    pair.first.start()
    wait_until(lambda: log_status(pair.second)["lost"]["killed"] == 1, "what the other has lost is told here")
    # One that has stopped is no server any more, and its losses count.
    pair.first.stop()
    after = log_status(pair.second)
    pair.first.start()
    assert (after["servers"], after["pending"], after["lost"]["killed"]) == (1, 0, 1)


def test_a_creation_sent_to_both_servers_at_once_makes_one_object(pair: Pair, first: httpx2.Client) -> None:
    criterion = {"type": "string_check", "name": "n", "operation": "eq", "input": "{{ item.a }}", "reference": "1"}
    config = {"type": "custom", "item_schema": {"type": "object"}}
    body = {"data_source_config": config, "testing_criteria": [criterion]}
    [eval_id] = set(at_once(pair, "/v1/evals", body))
    rows = {"type": "file_content", "content": [{"item": {"a": "1"}}]}
    before = set(pair.blobs)
    [run_id] = set(at_once(pair, f"/v1/evals/{eval_id}/runs", {"data_source": {"type": "jsonl", "source": rows}}))
    assert set(pair.blobs) - before == {run_id}
    path = f"/v1/evals/{eval_id}/runs/{run_id}"
    wait_until(lambda: first.get(path).json()["status"] == "completed", "the run ends")
    assert first.get(path).json()["result_counts"]["passed"] == 1


def at_once(pair: Pair, path: str, body: dict[str, Any]) -> list[str]:
    """Send the same creation to each server four times at once; return the ids of what it made."""
    barrier = threading.Barrier(8)

    def create(server: Server) -> str:
        with httpx2.Client(base_url=server.url, timeout=30) as client:
            barrier.wait()
            answer = client.post(path, json=body, headers={"idempotency-key": f"at once {path}"})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    with ThreadPoolExecutor(8) as threads:
        return [*threads.map(create, pair.servers * 4)]


@contextlib.contextmanager
def upload_under_way(server: Server, pair: Pair) -> Generator[socket.socket]:
    """Send the beginning of a file, so that a part of it stands on the disk."""
    known = set(pair.parts)
    boundary = "x"
    fields = f'--{boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nevals\r\n'
    fields += f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000000\r\n"
        f"content-type: multipart/form-data; boundary={boundary}\r\n\r\n{fields}"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + b'{"item": {"a": 1}}\n' * 50_000)
        wait_until(lambda: any(each.stat().st_size for each in set(pair.parts) - known), "a part of it is written")
        yield connection


def test_a_start_leaves_alone_what_others_are_writing(pair: Pair) -> None:
    with upload_under_way(pair.first, pair):
        written = set(pair.parts)
        pair.second.restart()
        assert written <= set(pair.parts)


def test_what_a_killed_server_was_writing_is_sent_again_to_the_other_and_swept(
    pair: Pair, second: httpx2.Client
) -> None:
    known = set(pair.parts)
    with upload_under_way(pair.first, pair):
        left = set(pair.parts) - known
        pair.first.kill()
    sent = second.post("/v1/files", files={"file": ("f", b'{"item": {"a": 1}}\n')}, data={"purpose": "evals"})
    assert sent.status_code == 200
    assert left <= set(pair.parts)
    long_ago = time.time() - _TWO_HOURS_S
    for each in left:
        os.utime(each, (long_ago, long_ago))
    pair.first.start()
    assert not left & set(pair.parts)
    with httpx2.Client(base_url=pair.first.url, timeout=30) as first:
        assert first.get(f"/v1/files/{sent.json()['id']}/content").content == b'{"item": {"a": 1}}\n'
