"""Connections that are slow, huge, many, broken off or not meant for this server."""

import contextlib
import re
import socket
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import Server, free_port
from tests.system.client import PATIENCE_S, Client, wait_until
from tests.system.commands import run_command

_HALF_OPEN = 200
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - what the server must not do unasked
_HEADER_TIMEOUT_S = 1.5
_BODY_GRACE_S = 1.0
_HEAD = "POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server with little patience for slow senders; all tests of this module share it."""
    server = Server(
        tmp_path_factory.mktemp("server"),
        EVALHAVEN_HEADER_TIMEOUT_S=str(_HEADER_TIMEOUT_S),
        EVALHAVEN_BODY_GRACE_S=str(_BODY_GRACE_S),
        EVALHAVEN_PUBLIC_URL="https://evals.example.org/sub",
    )
    with server.running():
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


@contextlib.contextmanager
def _connection(server: Server) -> Generator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        yield connection


def _answer_to_slow(connection: socket.socket, piece: bytes) -> bytes:
    """Send a piece every half second until the server closes the connection; return what it said."""
    answer = b""
    connection.settimeout(0.5)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError, BrokenPipeError):
            connection.sendall(piece)
        try:
            received = connection.recv(65536)
        except TimeoutError:
            continue
        except ConnectionResetError:
            return answer
        if not received:
            return answer
        answer += received
    raise AssertionError("the server never closed the connection")


def _rest(connection: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while received := connection.recv(65536):
            answer += received
    return answer


def test_headers_that_trickle_in_are_cut_with_408(server: Server) -> None:
    with _connection(server) as connection:
        connection.sendall(b"GET /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        answer = _answer_to_slow(connection, b"X-More: 1\r\n")
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b'"type":"invalid_request_error"' in answer
    assert b"connection: close" in answer


def test_a_connection_that_says_nothing_is_closed(server: Server) -> None:
    with _connection(server) as connection:
        assert _rest(connection).startswith(b"HTTP/1.1 408")


def test_a_second_request_on_a_connection_has_its_own_time_for_headers(server: Server) -> None:
    with _connection(server) as connection:
        for _ in range(2):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
            # Idle for longer than a head may take: a kept connection may, a browser keeps several.
            time.sleep(_HEADER_TIMEOUT_S + 1.5)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert _answer_to_slow(connection, b"X-More: 1\r\n").startswith(b"HTTP/1.1 408")


def test_headers_over_64_kb_are_refused(server: Server) -> None:
    with _connection(server) as connection:
        connection.sendall(b"GET /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(b"X-More: " + 1000 * b"x" + b"\r\n")
        answer = _rest(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_trailers_over_64_kb_are_refused(server: Server) -> None:
    head = "POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    with _connection(server) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(head.encode() + b"".join(b"X-T%d: %s\r\n" % (n, b"y" * 1000) for n in range(100)))
            answer = connection.recv(65536)

    assert b" 431 " in answer.splitlines()[0]


def test_headers_below_64_kb_are_taken(client: Client) -> None:
    assert client.get("/v1/evals", headers={"X-More": 50_000 * "x"}).status_code == 200


def test_a_body_that_trickles_in_is_cut_with_408(server: Server, client: Client) -> None:
    with _connection(server) as connection:
        connection.sendall(f"{_HEAD}100000\r\n\r\n".encode())
        answer = _answer_to_slow(connection, b" ")
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert client.get("/healthz").status_code == 200


def test_a_body_that_takes_long_but_flows_is_received(client: Client) -> None:
    def slow() -> Iterator[bytes]:
        for _ in range(6):
            yield 40_000 * b'{"item":{}}\n'[:10]
            time.sleep(0.7)

    # 400 kB a piece: over a hundred times the least speed, for four times the grace.
    response = client.post(
        "/v1/files",
        content=_form(slow()),
        headers={"Content-Type": "multipart/form-data; boundary=border"},
    )
    assert response.status_code == 200, response.text
    assert response.json()["bytes"] == 6 * 400_000


def _form(content: Iterator[bytes]) -> Iterator[bytes]:
    yield b'--border\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nevals\r\n'
    yield b'--border\r\nContent-Disposition: form-data; name="file"; filename="rows.jsonl"\r\n\r\n'
    yield from content
    yield b"\r\n--border--\r\n"


def test_many_half_open_connections_keep_nobody_from_being_answered(server: Server, client: Client) -> None:
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(_connection(server)) for _ in range(_HALF_OPEN)]
        for number, connection in enumerate(connections):
            connection.sendall(b"GET /v1/evals HTTP/1.1\r\nHost:" if number % 2 else f"{_HEAD}9\r\n\r\n".encode())
        assert client.create_eval().startswith("eval_")
        for connection in connections:
            assert _rest(connection).startswith(b"HTTP/1.1 408")


def test_an_upload_that_is_broken_off_leaves_nothing(server: Server, client: Client) -> None:
    blobs = server.data_dir / "blobs"
    before = {entry.name for entry in blobs.iterdir()}
    with _connection(server) as connection:
        head = "POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=border\r\n\r\n".encode())
        connection.sendall(b"".join(_form(iter([3_000_000 * b"x"])))[:-20])
        wait_until(lambda: any(part.stat().st_size for part in (blobs / "parts").iterdir()), "the upload arrives")
    wait_until(lambda: not any((blobs / "parts").iterdir()), "the part is gone")
    assert {entry.name for entry in blobs.iterdir()} == before
    assert {each["id"] for each in client.get("/v1/files").json()["data"]} == before - {"parts"}
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:1234", "127.0.0.1", "127.0.0.1:8765", "[::1]", "[::1]:80", "evals.example.org"]
)
def test_a_request_is_answered_under_the_names_of_the_server(client: Client, host: str) -> None:
    assert client.get("/v1/evals", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example.org", "evals.example.org.evil.net", "localhost.evil.net", "10.0.0.1"])
def test_a_request_to_another_host_is_refused(client: Client, host: str) -> None:
    for path in ("/v1/evals", "/healthz", "/openapi.json", "/nowhere"):
        response = client.get(path, headers={"Host": host})
        assert response.status_code == 421, path
        assert host in response.json()["error"]["message"]
        assert "EVALHAVEN_PUBLIC_URL" in response.json()["error"]["message"]


def test_a_page_of_another_origin_may_not_write(client: Client) -> None:
    before = client.get("/v1/evals").json()
    body = {"data_source_config": {"type": "logs"}, "testing_criteria": []}
    for origin in ("https://evil.example.org", "null", "http://localhost.evil.net"):
        for method in ("POST", "DELETE"):
            response = client.request(method, "/v1/evals", json=body, headers={"Origin": origin})
            assert (response.status_code, response.json()["error"]["code"]) == (403, "foreign_origin")
    assert client.get("/v1/evals", headers={"Origin": "https://evil.example.org"}).json() == before


@pytest.mark.parametrize("origin", ["http://localhost:8765", "http://[::1]:8765", "https://evals.example.org"])
def test_an_own_page_may_write(client: Client, origin: str) -> None:
    response = client.post("/v1/evals", json={}, headers={"Origin": origin})
    assert response.status_code == 400, "the body is looked at"


def test_links_name_the_public_url(client: Client) -> None:
    eval_id = client.create_eval()
    run = client.get_run(eval_id, client.start_run(eval_id, client.upload(b'{"item":{}}')))
    assert run["report_url"] == f"https://evals.example.org/sub/ui/evals/{eval_id}/runs/{run['id']}"


def test_an_address_beyond_this_machine_needs_a_flag_that_says_what_it_risks(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    refused = run_command("serve", "--host", _EVERYWHERE, "--port", str(free_port()), "--data-dir", str(data_dir))
    assert refused.returncode == 1
    message = " ".join(refused.stderr.split())
    assert "Refusing to listen on 0.0.0.0: this release has no API keys" in message
    assert "read, change and delete" in message
    assert "--expose-without-keys" in message
    assert not data_dir.exists()
    shown = run_command("serve", "--help").stdout
    assert re.search(r"--expose-without-keys.*everybody", " ".join(shown.split()))


def test_an_address_beyond_this_machine_is_served_with_the_flag(tmp_path: Path) -> None:
    server = Server(tmp_path, EVALHAVEN_HOST=_EVERYWHERE, EVALHAVEN_EXPOSE_WITHOUT_KEYS="true")
    with server.running():
        assert httpx.get(f"{server.url}/v1/evals").status_code == 200
        # Its own name is unknown to it until the public URL says it.
        assert httpx.get(f"{server.url}/v1/evals", headers={"Host": "evals.example.org"}).status_code == 421
