"""Bodies over the limit are refused with 413, however they are sent, and the connection can be used again."""

import json
import re
import socket
from collections.abc import Iterator

import httpx2
import pytest

from tests.contract.conftest import eval_body, inline_source, refusal_of
from tests.server import Server

MB = 1024 * 1024


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = {"EVALHAVEN_MAX_BODY_MB": "1", "EVALHAVEN_MAX_FILE_MB": "1"}
    with Server(tmp_path_factory.mktemp("small"), **limits).running() as running:
        yield running


@pytest.fixture(scope="module")
def narrow(small: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=small.url, timeout=30) as opened:
        yield opened


def _blocks(size: int) -> Iterator[bytes]:
    yield b'{"name": "'
    for _ in range(size // 4096):
        yield b"x" * 4096
    yield b'"}'


def test_a_json_body_over_the_limit_is_refused(narrow: httpx2.Client) -> None:
    parent = narrow.post("/v1/evals", json=eval_body()).json()["id"]
    for path in ("/v1/evals", f"/v1/evals/{parent}", f"/v1/evals/{parent}/runs"):
        for body in (b'{"name": "' + b"x" * 3 * MB + b'"}', _blocks(3 * MB)):
            error = refusal_of(narrow.post(path, content=body), 413)
            assert error["code"] == "request_too_large"
            assert "1 MB" in error["message"]
            assert "EVALHAVEN_MAX_BODY_MB" in error["message"]
    assert [each["id"] for each in narrow.get("/v1/evals").json()["data"]] == [parent]
    assert narrow.get(f"/v1/evals/{parent}/runs").json()["data"] == []
    rows = [{"item": {"a": "x" * 1000, "b": ""}}] * 900
    answer = narrow.post(f"/v1/evals/{parent}/runs", json={"data_source": inline_source(rows)})
    assert answer.status_code == 201, "just below the limit"


def test_a_file_over_the_limit_is_refused(narrow: httpx2.Client, small: Server) -> None:
    for size, status in ((MB, 200), (MB + 1, 413), (3 * MB, 413)):
        answer = narrow.post("/v1/files", files={"file": ("f", b"x" * size)}, data={"purpose": "evals"})
        assert answer.status_code == status, answer.text
        if status == 413:
            error = refusal_of(answer, 413)
            assert "EVALHAVEN_MAX_FILE_MB" in error["message"]
    assert len(narrow.get("/v1/files").json()["data"]) == 1
    leftovers = [path for path in (small.data_dir / "blobs").rglob("*") if path.is_file() and path.stat().st_size > MB]
    assert leftovers == []


def test_the_server_is_well_afterwards(narrow: httpx2.Client, small: Server) -> None:
    assert narrow.get("/readyz").status_code == 200
    assert "Traceback" not in small.log


def test_a_request_that_follows_close_behind_another_is_read_as_one(small: Server) -> None:
    """Its head arrives in one block with the end of the previous body; its own body is not taken for a head."""
    first = b"POST /v1/nowhere HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 4\r\n\r\nbody"
    body = json.dumps(eval_body(name="x" * 200_000)).encode()
    second = b"POST /v1/evals HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(
        body
    )
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as connection:
        connection.sendall(first + second)
        answers = connection.recv(65_536)
        connection.sendall(body)
        while block := connection.recv(65_536):
            answers += block
    assert re.findall(rb"HTTP/1.1 (\d\d\d) ", answers) == [b"404", b"201"]
