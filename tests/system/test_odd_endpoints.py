"""Runs at endpoints that are down, answer nothing useful or repeat secrets: what that costs, and what is reported."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Self

import httpx2
import pytest

from tests.loopback_server import LoopbackServer
from tests.server import Server
from tests.system.client import Client, JsonObject, wait_until
from tests.system.commands import call_command

ITEMS = 6
SECRETS = {
    "MY_KEY": "sk-made-up-bearer-key",
    "MY_HEADER": "header-of-our-own-gateway",
    "MY_QUERY": "value&of query",
    "EVALHAVEN_EMBEDDINGS_API_KEY": "sk-made-up-embeddings-key",
}
CONFIG = """
[endpoints.odd]
base_url = "{url}/v1"
api_key_env = "MY_KEY"
headers = {{ x-gateway = {{ env = "MY_HEADER" }} }}
query = {{ pass = {{ env = "MY_QUERY" }} }}
"""
CHECK: JsonObject = {
    "type": "string_check",
    "name": "said",
    "operation": "eq",
    "input": "{{ sample.output_text }}",
    "reference": "yes",
}
JUDGE: JsonObject = {
    "type": "score_model",
    "name": "judge",
    "model": "m",
    "input": [{"role": "user", "content": "{{ item.n }}"}],
}


class OddEndpoint(LoopbackServer):
    """Answers every request with the same bytes, then ends the connection; {echo} stands for what it was sent."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply
        self.requests = 0

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("content-length", "0")))
        self.requests += 1
        echo = f"{handler.path} {handler.headers}".replace("\r", " ").replace("\n", " ").replace('"', "'")
        handler.close_connection = True
        handler.wfile.write(self.reply.replace(b"{echo}", echo.encode()))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Return a loopback port on which nothing listens and that nothing else gets."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def server_at(directory: Path, url: str, retry_for_s: int | None = None, **environment: str) -> Server:
    config = directory / "evalhaven.toml"
    config.write_text(CONFIG.format(url=url) + ("" if retry_for_s is None else f"retry_for_s = {retry_for_s}\n"))
    return Server(directory, EVALHAVEN_CONFIG=str(config), **SECRETS, **environment)


def start(
    client: Client, criteria: list[JsonObject] | None = None, *, is_sampled: bool = True, model: str = "m"
) -> tuple[str, str]:
    eval_id = client.create_eval(criteria or [CHECK], {"type": "object"})
    content = [{"item": {"n": n}} for n in range(ITEMS)]
    source: JsonObject = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    if is_sampled:
        messages = {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]}
        source |= {"type": "completions", "model": model, "input_messages": messages}
    answer = client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": source})
    assert answer.status_code == 201, answer.text
    return eval_id, answer.json()["id"]


def items_of(client: Client, eval_id: str, run_id: str) -> list[JsonObject]:
    return client.get(f"/v1/evals/{eval_id}/runs/{run_id}/output_items").json()["data"]


def http(content: bytes, *headers: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers])
    return f"{head}\r\n\r\n".encode() + content


JSON, HTML = "content-type: application/json", "content-type: text/html"
REFUSED = {
    "no HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "SSH-2.0-OpenSSH_9.9"),
    "unknown coding": (http(b"abc", JSON, "content-encoding: br", "content-length: 3"), "200 (application/json, br)"),
    "broken gzip": (http(b"abc", "content-encoding: gzip", "content-length: 3"), "cannot be uncompressed"),
    "page": (
        http(b"<html><title>Sign in", HTML, "content-length: 20"),
        "answered 200 (text/html) with an HTML page. It begins: <html><title>Sign in",
    ),
    "error without words": (http(b'{"error":{"message":"","code":5}}', JSON), "answered 200 (application/json)"),
    "error of another server": (http(b'{"error": {"message": "Provider down", "code": 502}}'), "Provider down"),
}


@dataclass(frozen=True)
class RefusedRun:
    """How a run ended at an endpoint of its own whose every reply is refused, and how many times it was asked."""

    items: list[JsonObject]
    run: JsonObject
    requests: int
    log: str


@pytest.fixture(scope="module")
def refused_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RefusedRun]:
    """Execute a run at each endpoint of REFUSED, side by side on one server."""
    directory = tmp_path_factory.mktemp("refused")
    with ExitStack() as stack:
        endpoints = {kind: stack.enter_context(OddEndpoint(reply)) for kind, (reply, _) in REFUSED.items()}
        config = directory / "evalhaven.toml"
        config.write_text(
            "".join(
                f'[endpoints.odd{number}]\nbase_url = "{endpoint.url}/v1"\nmodels = ["{kind}"]\n'
                for number, (kind, endpoint) in enumerate(endpoints.items())
            )
        )
        server = stack.enter_context(Server(directory, EVALHAVEN_CONFIG=str(config)).running())
        client = stack.enter_context(Client(server.url))
        started = {kind: start(client, model=kind) for kind in REFUSED}
        ended = {kind: client.wait_for_end(*ids) for kind, ids in started.items()}
        return {
            kind: RefusedRun(items_of(client, *ids), ended[kind], endpoints[kind].requests, server.log)
            for kind, ids in started.items()
        }


@pytest.mark.parametrize("kind", REFUSED)
def test_an_endpoint_whose_every_reply_is_refused_costs_at_most_four_calls_an_item(
    refused_runs: dict[str, RefusedRun], kind: str
) -> None:
    told, found = REFUSED[kind][1], refused_runs[kind]

    assert found.requests <= 4 * ITEMS
    assert found.run["status"] == "completed"
    assert found.run["result_counts"]["errored"] == ITEMS
    assert len(found.items) == ITEMS
    for item in found.items:
        assert told in item["sample"]["error"]["message"]
        assert item["evalhaven"]["attempts"] == 4
    assert "endpoint_unreachable" not in found.log


def test_an_endpoint_that_is_not_there_is_named_at_once_everywhere(tmp_path: Path, closed_port: int) -> None:
    reason = f"odd: no connection to 127.0.0.1:{closed_port}"
    with (
        server_at(tmp_path, f"http://127.0.0.1:{closed_port}").running() as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start(client)

        def is_told() -> object:
            return (client.get_run(eval_id, run_id)["evalhaven"]["limiter"] or {}).get("unreachable")

        wait_until(is_told, "the endpoint is named", pause_s=0.1)
        run = client.get_run(eval_id, run_id)

        assert run["status"] == "in_progress"
        unreachable = run["evalhaven"]["limiter"]["unreachable"]
        assert unreachable["reason"].startswith(reason)
        assert unreachable["since"] >= run["created_at"]
        watched = call_command("watch", run_id, "--url", server.url, "--once")
        assert reason in watched.stdout
        assert server.log.count("endpoint_unreachable") == 1
        assert reason in server.log

        client.post(f"/v1/evals/{eval_id}/runs/{run_id}")
        life = client.get(f"/api/runs/{run_id}/events").json()["data"]
        assert [each["type"] for each in life] == ["created", "started", "planned", "unreachable", "canceled"]
        assert (life[3]["endpoint"], life[3]["reason"]) == ("odd", unreachable["reason"])


class LockedEndpoint:
    """Ends the first connection before a word is said, and keeps all others waiting."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._waiting: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._listener, *self._waiting):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # until it is shut down
            self._listener.accept()[0].close()
            while True:
                self._waiting.append(self._listener.accept()[0])


def test_the_first_connection_that_fails_names_an_endpoint_while_all_others_still_wait(tmp_path: Path) -> None:
    with (
        LockedEndpoint() as endpoint,
        server_at(tmp_path, f"https://127.0.0.1:{endpoint.port}").running() as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start(client)

        def unreachable() -> JsonObject:
            return (client.get_run(eval_id, run_id)["evalhaven"]["limiter"] or {}).get("unreachable") or {}

        wait_until(unreachable, "the endpoint is named")
        reason = unreachable()["reason"]
        watched = call_command("watch", run_id, "--url", server.url, "--once").stdout

    # The others would end with "no connection within … seconds".
    assert reason.startswith(f"odd: no connection to 127.0.0.1:{endpoint.port}: ")
    assert reason in watched
    assert reason in server.log
    assert server.log.count("endpoint_unreachable") == 1


def test_a_name_that_does_not_resolve_is_told_by_each_item_and_the_run_ends(tmp_path: Path) -> None:
    reason = "odd: no connection to nowhere.invalid:80: "
    # Where no name server answers, the resolver says so before the attempt to connect takes too long.
    resolver = {"RES_OPTIONS": "timeout:1 attempts:1"}
    with (
        server_at(tmp_path, "http://nowhere.invalid", retry_for_s=0, **resolver).running() as server,
        Client(server.url) as client,
    ):
        ids = start(client)
        run = client.wait_for_end(*ids)
        items = items_of(client, *ids)

    assert len(items) == run["result_counts"]["errored"] == ITEMS
    for item in items:
        error = item["sample"]["error"]
        assert error["code"] == "upstream_unreachable"
        # Which words they are depends on the resolver: "Name or service not known", "… in name resolution".
        assert "name" in error["message"].removeprefix(reason).lower(), error
    assert server.log.count("endpoint_unreachable") == 1
    assert reason in server.log


def test_an_endpoint_of_embeddings_that_is_not_there_is_named_at_once_everywhere(
    tmp_path: Path, closed_port: int
) -> None:
    reason = f"no connection to 127.0.0.1:{closed_port}"
    cosine = {
        "type": "text_similarity",
        "name": "c",
        "input": "{{ item.n }}",
        "reference": "x",
        "evaluation_metric": "cosine",
        "pass_threshold": 0.5,
    }
    url = f"http://127.0.0.1:{closed_port}/v1"
    with (
        server_at(tmp_path, "http://127.0.0.1:9", EVALHAVEN_EMBEDDINGS_BASE_URL=url).running() as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start(client, [cosine], is_sampled=False)

        def is_told() -> object:
            limiter = client.get_run(eval_id, run_id)["evalhaven"]["limiter"] or {}
            return (limiter.get("embeddings") or {}).get("unreachable")

        wait_until(is_told, "the endpoint is named", pause_s=0.1)
        run = client.get_run(eval_id, run_id)

        assert run["status"] == "in_progress"
        assert reason in run["evalhaven"]["limiter"]["embeddings"]["unreachable"]["reason"]
        assert reason in call_command("watch", run_id, "--url", server.url, "--once").stdout
        assert server.log.count("endpoint_unreachable") == 1
        assert reason in server.log


ECHOES = {
    "401": http(b'{"error":{"message":"You sent {echo}","code":"x"}}', JSON, status="401 No"),
    "page": http(b"<html><p>You sent {echo}</p></html>", HTML, status="400 No"),
    "redirect": http(b"", "location: https://elsewhere.test/{echo}", "content-length: 0", status="302 Found"),
    "200": http(b"<html>You sent {echo}</html>", HTML),
    "no HTTP": b"You sent {echo}\r\n\r\n",
}


def test_a_key_that_an_endpoint_repeats_in_its_answer_is_kept_nowhere(tmp_path: Path) -> None:
    message = b'{"role":"assistant","content":"You sent {echo}"}'
    answer = b'{"model":"m","choices":[{"index":0,"finish_reason":"stop","message":%b}]}' % message
    with (
        OddEndpoint(http(answer, JSON)) as endpoint,
        server_at(tmp_path, endpoint.url).running() as server,
        Client(server.url) as client,
    ):
        ids = start(client)
        client.wait_for_end(*ids)
        items = items_of(client, *ids)
    shown = [str(items), server.log]
    shown += [path.read_bytes().decode("latin-1") for path in (tmp_path / "data").glob("evalhaven.db*")]

    assert all("You sent /v1/chat/completions" in item["sample"]["output"][0]["content"] for item in items)
    assert "***" in shown[0]
    for secret in (SECRETS["MY_KEY"], SECRETS["MY_HEADER"]):
        assert [text for text in shown if secret in text] == []


@dataclass(frozen=True)
class EchoServer:
    """A server at an endpoint, of models and of embeddings, that repeats what it is sent; tests say how."""

    server: Server
    client: Client
    endpoint: OddEndpoint
    directory: Path


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoServer]:
    directory = tmp_path_factory.mktemp("echoing")
    with (
        OddEndpoint(b"") as endpoint,
        server_at(directory, endpoint.url, EVALHAVEN_EMBEDDINGS_BASE_URL=f"{endpoint.url}/v1").running() as server,
        Client(server.url) as client,
    ):
        yield EchoServer(server, client, endpoint, directory)


@pytest.mark.parametrize("echo", ECHOES)
def test_what_an_endpoint_repeats_of_what_it_was_sent_shows_no_secret_anywhere(echoing: EchoServer, echo: str) -> None:
    similarity = {
        "type": "text_similarity",
        "name": "near",
        "input": "{{ item.n }}",
        "reference": "7",
        "evaluation_metric": "cosine",
    }
    # A model of its own: nothing is known about it from the test before.
    model, judge = f"m {echo}", {**JUDGE, "model": f"j {echo}"}
    server, client, directory = echoing.server, echoing.client, echoing.directory
    echoing.endpoint.reply = ECHOES[echo]
    shown, logged = list[str](), len(server.log)
    judged = [judge, {**similarity, "pass_threshold": 0.5}]
    for ids in (start(client, model=model), start(client, judged, is_sampled=False)):
        run = client.wait_for_end(*ids)
        report = httpx2.get(f"{server.url}/api/runs/{ids[1]}/report", trust_env=False).text
        watched = call_command("watch", ids[1], "--url", server.url, "--once", "--json")
        shown += [str(run), str(items_of(client, *ids)), report, watched.stdout, watched.stderr]
    asked = {"grader": judge | {"type": "score_model"}, "item": {"n": 1}, "model_sample": "x"}
    shown.append(client.post("/v1/fine_tuning/alpha/graders/run", json=asked).text)
    doctor = call_command("doctor", "--config", str(directory / "evalhaven.toml"), directory=directory, **SECRETS)
    shown += [doctor.stdout, doctor.stderr, server.log[logged:]]
    assert any("***" in text for text in shown)

    shown += [path.read_bytes().decode("latin-1") for path in (directory / "data").glob("evalhaven.db*")]

    for secret in (*SECRETS.values(), "value%26of", "of+query", "of%20query"):
        assert [text for text in shown if secret in text] == []
