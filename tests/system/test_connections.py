"""Connections that are slow, huge, many, broken off or not meant for this server."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.server import Server
from tests.system.client import PATIENCE_S, Client, wait_until
from tests.system.commands import call_command

_HALF_OPEN = 200
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - what the server must not do unasked
_HEADER_TIMEOUT_S = 1.5
_BODY_GRACE_S = 1.0
_NAMED = "http://localhost:5173"
_HEAD = "POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server with short timeouts for slow senders; all tests of this module share it."""
    server = Server(
        tmp_path_factory.mktemp("server"),
        EVALHAVEN_HEADER_TIMEOUT_S=str(_HEADER_TIMEOUT_S),
        EVALHAVEN_BODY_GRACE_S=str(_BODY_GRACE_S),
        EVALHAVEN_PUBLIC_URL="https://evals.example.org/sub",
        EVALHAVEN_EXPOSE_WITHOUT_KEYS="true",
        EVALHAVEN_ALLOWED_ORIGINS=f"{_NAMED}, https://dash.example.org",
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
            # Idle for longer than a head may take: kept connections may be, and browsers keep several.
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


_GET = b"GET /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_LARGE_HEADS = {
    "one header": _GET + b"X-More: " + 120_000 * b"x" + b"\r\n\r\n",
    "barely over": _GET + b"X-More: " + 65_536 * b"x" + b"\r\n\r\n",
    "many headers": _GET + b"".join(b"X-%d: y\r\n" % number for number in range(9_000)) + b"\r\n",
    "one name": _GET + 120_000 * b"x" + b": y\r\n\r\n",
    "request line": b"GET /v1/evals?after=" + 120_000 * b"x" + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "white space": _GET + b"X-More:" + 120_000 * b" " + b"y\r\n\r\n",
    "empty lines": 60_000 * b"\r\n" + _GET + b"\r\n",
}


@pytest.mark.parametrize("kind", _LARGE_HEADS)
def test_a_head_over_64_kb_is_refused_however_it_comes(server: Server, kind: str) -> None:
    head = _LARGE_HEADS[kind]
    for pieces in ([head], [head[:1000], head[1000:]], [head[at : at + 3000] for at in range(0, len(head), 3000)]):
        with _connection(server) as connection:
            with contextlib.suppress(ConnectionError):
                for piece in pieces:
                    connection.sendall(piece)
            assert _rest(connection).startswith(b"HTTP/1.1 431 "), len(pieces)


def test_the_head_of_a_later_request_is_bounded_alike_and_those_before_are_answered(server: Server) -> None:
    before = b"POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
    for head in _LARGE_HEADS.values():
        with _connection(server) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(before + _GET + b"\r\n" + head)
            statuses = re.findall(rb"HTTP/1.1 (\d+) ", _rest(connection))
        assert statuses == [b"400", b"200", b"431"]


def test_what_is_refused_does_not_overtake_an_answer_that_is_due(server: Server, client: Client) -> None:
    file_id = client.upload(b"x" * 8_000_000)
    slow = f"GET /v1/files/{file_id}/content HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    for broken, status in ((b"no request\r\n\r\n", b"400"), (_LARGE_HEADS["one header"], b"431")):
        with _connection(server) as connection:
            connection.sendall(slow + broken)
            answers = _rest(connection)
        head, _, rest = answers.partition(b"\r\n\r\n")
        assert b"content-length: 8000000" in head
        assert rest[:8_000_000] == b"x" * 8_000_000
        assert rest[8_000_000:].startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    "body", [b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"]
)
def test_an_offer_of_http_2_is_declined_and_the_connection_goes_on(server: Server, body: bytes) -> None:
    """Java's client makes it with every request; the body must not be lost, nor the requests that follow."""
    offer = b"Host: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    post, get = b"POST /v1/evals HTTP/1.1\r\n" + offer + body, b"GET /healthz HTTP/1.1\r\n" + offer + b"\r\n"
    for pieces in ([post + get + post], [post, get, post], [(post + get + post)[:150], (post + get + post)[150:]]):
        with _connection(server) as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.05)
            connection.sendall(_GET + b"Connection: close\r\n\r\n")
            answer = _rest(connection)
        assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"400", b"200", b"400", b"200"]
        assert answer.count(b"'data_source_config' is required") == 2


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1", 400),
        ("GET /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nhost: evil.example.org", 400),
        ("GET http://evil.example.org/v1/evals HTTP/1.1\r\nHost: 127.0.0.1", 421),
        ("GET HTTPS://evil.example.org HTTP/1.1\r\nHost: 127.0.0.1", 421),
        ("GET http://127.0.0.1@evil.example.org/v1/evals HTTP/1.1\r\nHost: 127.0.0.1", 421),
        ("GET http://evil.example.org?http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1", 421),
        ("GET http://127.0.0.1/v1/evals HTTP/1.1\r\nHost: evil.example.org", 200),
        ("GET http://localhost:1/v1/evals?limit=1 HTTP/1.1", 200),
        ("GET http://127.0.0.1/v1/evals HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        ("GET /v1/evals HTTP/1.1", 421),
        ("GET v1/evals HTTP/1.1\r\nHost: 127.0.0.1", 400),
        ("CONNECT evil.example.org:443 HTTP/1.1\r\nHost: 127.0.0.1", 400),
        ("POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3", 400),
        ("POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked", 400),
        ("POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip", 400),
        ("POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked, gzip", 400),
        ("POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked", 415),
        ("POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: identity", 400),
    ],
)
def test_a_request_whose_meaning_is_not_clear_is_refused_in_the_envelope(
    server: Server, head: str, status: int
) -> None:
    with _connection(server) as connection:
        connection.sendall(f"{head}\r\nConnection: close\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode())
        answer = _rest(connection)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert (b'{"error":{"message":"' in answer) == (status != 200)


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

    # 400 kB a piece: over 100 times the least speed, for four times the grace.
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
    before = set(blobs.rglob("*"))
    with _connection(server) as connection:
        head = "POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=border\r\n\r\n".encode())
        connection.sendall(b"".join(_form(iter([3_000_000 * b"x"])))[:-20])
        wait_until(lambda: any(part.stat().st_size for part in (blobs / "parts").iterdir()), "the upload arrives")
    wait_until(lambda: not any((blobs / "parts").iterdir()), "the part is gone")
    assert set(blobs.rglob("*")) == before
    stored = {path.name for path in before if path.name.startswith("file-")}
    assert {each["id"] for each in client.get("/v1/files").json()["data"]} == stored
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
    for headers in (
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.net"},
        {"Origin": "http://localhost:3000", "Content-Type": "text/plain"},
        {"Origin": "http://evals.example.org"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Content-Type": "text/plain"},
    ):
        for method in ("POST", "DELETE"):
            response = client.request(method, "/v1/evals", content=json.dumps(body), headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (403, "foreign_origin")
            assert "EVALHAVEN_ALLOWED_ORIGINS" in response.json()["error"]["message"]
    assert client.get("/v1/evals", headers={"Origin": "https://evil.example.org"}).json() == before


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:PORT", "http://127.0.0.1:PORT", "http://[::1]:PORT", "https://evals.example.org", _NAMED],
)
def test_an_own_page_and_a_named_one_may_write(server: Server, client: Client, origin: str) -> None:
    origin = origin.replace("PORT", str(server.port))
    response = client.post("/v1/evals", json={}, headers={"Origin": origin})
    assert response.status_code == 400, "the body is looked at"


def test_links_name_the_public_url(client: Client) -> None:
    eval_id = client.create_eval()
    run = client.get_run(eval_id, client.start_run(eval_id, client.upload(b'{"item":{}}')))
    assert run["report_url"] == f"https://evals.example.org/sub/ui/evals/{eval_id}/runs/{run['id']}"


def test_the_first_start_beyond_this_machine_makes_an_admin_key_and_shows_it_once(tmp_path: Path) -> None:
    server = Server(tmp_path, EVALHAVEN_HOST=_EVERYWHERE, EVALHAVEN_LOG_FORMAT="json")
    with server.running():
        (key,) = re.findall(r"^    (sk-admin-\w{43})$", server.log, re.MULTILINE)
        assert "first admin key" in server.log
        assert '"event": "public_url_missing"' in server.log
        assert httpx2.get(f"{server.url}/v1/evals").status_code == 401
        assert httpx2.get(f"{server.url}/v1/evals", headers={"authorization": f"Bearer {key}"}).status_code == 200
        server.restart()
        assert httpx2.get(f"{server.url}/api/admin_keys", headers={"api-key": key}).json()["data"][0]["last_used_at"]
    assert server.log.count(key) == 1
    ends = [json.loads(line)["event"] for line in server.log.splitlines() if line.startswith("{") and "stop" in line]
    assert ends == ["stopping", "stopped"] * 2
    assert len(re.findall(r"sk-admin-\w{43}", server.log)) == 1
    assert not any(key in line for line in server.log.splitlines() if line.startswith("{"))


def test_the_flag_that_opens_a_server_to_everybody_says_what_it_risks() -> None:
    shown = call_command("serve", "--help").stdout
    assert re.search(r"--expose-without-keys.*Everybody", " ".join(shown.split()))


def test_an_address_beyond_this_machine_is_served_with_the_flag(tmp_path: Path) -> None:
    server = Server(tmp_path, EVALHAVEN_HOST=_EVERYWHERE, EVALHAVEN_EXPOSE_WITHOUT_KEYS="true")
    with server.running():
        assert httpx2.get(f"{server.url}/v1/evals").status_code == 200
        # It does not know its own name until the public URL says it.
        assert httpx2.get(f"{server.url}/v1/evals", headers={"Host": "evals.example.org"}).status_code == 421


def test_connections_beyond_the_limit_are_closed_at_once_and_the_others_go_on(tmp_path: Path) -> None:
    with Server(tmp_path, EVALHAVEN_MAX_CONNECTIONS="20").running() as server, contextlib.ExitStack() as opened:
        connections = [opened.enter_context(_connection(server)) for _ in range(30)]
        wait_until(lambda: sum(map(_is_closed, connections)) >= 10, "what is too many is closed")
        first = connections[0]
        first.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert first.recv(65536).startswith(b"HTTP/1.1 200")
        for connection in connections:
            connection.close()

        wait_until(server.answers, "there is room again")


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.settimeout(PATIENCE_S)
