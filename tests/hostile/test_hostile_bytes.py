"""Requests that no HTTP library sends: raw bytes on a socket. Each is refused in the envelope, served, or cut off."""

import contextlib
import json
import random
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.conftest import eval_body
from tests.databases import ON_SQLITE_ONLY
from tests.hostile.attacked import assert_envelope, strict_json
from tests.hostile.target import Target
from tests.sizes import SEED, SIZES

pytestmark = [pytest.mark.proof, pytest.mark.timeout(3600)]

_HOST = b"host: 127.0.0.1\r\n"
_CLOSE = b"connection: close\r\n"
_END = _HOST + _CLOSE + b"\r\n"
_BODY = json.dumps(eval_body(name="raw")).encode()
_LENGTH = b"content-length: %d\r\n" % len(_BODY)
_CHUNKED = b"transfer-encoding: chunked\r\n"
_TIMEOUT_S = 15.0
_QUIET_S = 0.5  # after that much silence a server that wants more of a request is told that there is none


@dataclass(frozen=True)
class Answer:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


def _post(headers: bytes, body: bytes) -> bytes:
    return b"POST /v1/evals HTTP/1.1\r\n" + _HOST + _CLOSE + headers + b"\r\n" + body


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


REFUSED: dict[str, bytes] = {
    "no HTTP at all": b"hello\r\n\r\n",
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 60,
    "a version that is none": b"GET /v1/evals HTTP/9.9\r\n" + _END,
    "a method that is none": b"FROB /v1/evals HTTP/1.1\r\n" + _END,
    "a method in lower case": b"get /v1/evals HTTP/1.1\r\n" + _END,
    "an empty target": b"GET  HTTP/1.1\r\n" + _END,
    "a relative target": b"GET v1/evals HTTP/1.1\r\n" + _END,
    "a target of the star": b"GET * HTTP/1.1\r\n" + _END,
    "a target with blanks": b"GET /v1/evals / HTTP/1.1\r\n" + _END,
    "a target of raw bytes": b"GET /v1/evals/\xff\xfe HTTP/1.1\r\n" + _END,
    "a target of UTF-8": "GET /v1/evals/ü😀 HTTP/1.1\r\n".encode() + _END,
    "a target with a NUL": b"GET /v1/evals/\0 HTTP/1.1\r\n" + _END,
    "a target of another scheme": b"GET ftp://127.0.0.1/x HTTP/1.1\r\n" + _END,
    "a target with a bad port": b"GET http://127.0.0.1:99999999/v1/evals HTTP/1.1\r\n" + _END,
    "a target of an authority": b"GET 127.0.0.1:80 HTTP/1.1\r\n" + _END,
    "CONNECT": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + _END,
    "no host": b"GET /v1/evals HTTP/1.1\r\n" + _CLOSE + b"\r\n",
    "an empty host": b"GET /v1/evals HTTP/1.1\r\nhost:\r\n" + _CLOSE + b"\r\n",
    "a host of raw bytes": b"GET /v1/evals HTTP/1.1\r\nhost: \xff\xfe\r\n" + _CLOSE + b"\r\n",
    "a header without a colon": b"GET /v1/evals HTTP/1.1\r\nnonsense\r\n" + _END,
    "a header without a name": b"GET /v1/evals HTTP/1.1\r\n: x\r\n" + _END,
    "a blank before the colon": b"GET /v1/evals HTTP/1.1\r\nx : y\r\n" + _END,
    "a NUL in a header": b"GET /v1/evals HTTP/1.1\r\nx: a\0b\r\n" + _END,
    "a header's name of raw bytes": b"GET /v1/evals HTTP/1.1\r\n\xff: y\r\n" + _END,
    "two lengths that differ": _post(_LENGTH + b"content-length: 1\r\n", _BODY),
    "two lengths in one": _post(b"content-length: 5, 5\r\n", b"12345"),
    "a negative length": _post(b"content-length: -5\r\n", _BODY),
    "a length with a sign": _post(b"content-length: +5\r\n", _BODY),
    "a length in hexadecimals": _post(b"content-length: 0x5\r\n", _BODY),
    "a length beyond 64 bits": _post(b"content-length: %b\r\n" % (b"9" * 30), _BODY),
    "a length beyond any limit": _post(b"content-length: 999999999999\r\n", _BODY),
    "a length and chunks": _post(_LENGTH + _CHUNKED, _chunk(_BODY) + b"0\r\n\r\n"),
    "chunked twice": _post(b"transfer-encoding: chunked, chunked\r\n", _chunk(_BODY) + b"0\r\n\r\n"),
    "a coding that is none": _post(b"transfer-encoding: frob\r\n", _BODY),
    "chunks within gzip": _post(b"transfer-encoding: gzip, chunked\r\n", _chunk(b"\x1f\x8b") + b"0\r\n\r\n"),
    "a chunk size that is none": _post(_CHUNKED, b"zz\r\n" + _BODY),
    "a negative chunk size": _post(_CHUNKED, b"-5\r\n" + _BODY),
    "a chunk size beyond 64 bits": _post(_CHUNKED, b"f" * 20 + b"\r\n" + _BODY),
    "a chunk longer than its size": _post(_CHUNKED, b"5\r\n" + _BODY + b"\r\n0\r\n\r\n"),
    "a chunk without its line end": _post(_CHUNKED, b"5\r\nabcdeXX0\r\n\r\n"),
    "an empty body of chunks": _post(_CHUNKED, b"0\r\n\r\n"),
    "a body in HTTP/1.0 without a length": b"POST /v1/evals HTTP/1.0\r\n" + _HOST + b"\r\n" + _BODY,
    "line feeds only and nonsense": b"\n\n\nGET\n\n",
    "a response": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "fifty thousand headers": b"GET /v1/evals HTTP/1.1\r\n" + b"x: y\r\n" * 50_000 + _END,
    "a header of a megabyte": b"GET /v1/evals HTTP/1.1\r\nx: " + b"y" * 1_000_000 + b"\r\n" + _END,
}
SERVED: dict[str, bytes] = {
    "the whole address as target": b"GET http://127.0.0.1/v1/evals?limit=1 HTTP/1.1\r\n" + _END,
    "a fragment": b"GET /v1/evals#x HTTP/1.1\r\n" + _END,
    "no version, as in HTTP/0.9": b"GET /v1/evals\r\n" + _END,
    "HTTP/1.0": b"GET /v1/evals HTTP/1.0\r\n" + _HOST + b"\r\n",
    "HTTP/1.0 that stays": b"GET /v1/evals HTTP/1.0\r\n" + _HOST + b"connection: keep-alive\r\n\r\n",
    "a body where none belongs": b"GET /v1/evals HTTP/1.1\r\n" + _HOST + _CLOSE + b"content-length: 3\r\n\r\nabc",
    "an upgrade to nothing known": b"GET /v1/evals HTTP/1.1\r\n"
    + _HOST
    + b"connection: close, upgrade\r\nupgrade: h2c\r\n\r\n",
    "blank lines before": b"\r\n\r\nGET /v1/evals HTTP/1.1\r\n" + _END,
    "an unknown expectation": b"GET /v1/evals HTTP/1.1\r\nexpect: wonders\r\n" + _END,
    "a header repeated": b"GET /v1/evals HTTP/1.1\r\naccept: a\r\naccept: b\r\n" + _END,
}


def _exchange(target: Target, sent: bytes) -> list[Answer]:
    """Send bytes and return all answers until the server closes; if it waits for more, say that there is no more."""
    received = b""
    with socket.create_connection(("127.0.0.1", target.server.port), timeout=_QUIET_S) as connection:
        # The server may close before it has read everything.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            while True:
                try:
                    block = connection.recv(65_536)
                except TimeoutError:
                    connection.settimeout(_TIMEOUT_S)
                    connection.shutdown(socket.SHUT_WR)
                    continue
                if not block:
                    break
                received += block
    return list(_answers(received))


def _answers(received: bytes) -> Iterator[Answer]:
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", line)
        assert found, received[:200]
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        length = int(headers.get("content-length", "0"))
        yield Answer(int(found[1]), headers, rest[:length])
        received = rest[length:]


def _assert_refusal(answer: Answer) -> Any:
    said = str(answer)
    assert 400 <= answer.status < 500, said
    assert answer.headers["content-type"] == "application/json", said
    assert answer.headers["x-request-id"].startswith("req_"), said
    assert answer.headers["x-should-retry"] == "false", said
    found = strict_json(answer.body)
    assert_envelope(found, said)
    return found["error"]


@ON_SQLITE_ONLY
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_refused_in_the_envelope(target: Target, name: str) -> None:
    answers = _exchange(target, REFUSED[name])
    assert answers, "closed without a word"
    for answer in answers:
        _assert_refusal(answer)
    target.assert_unchanged()


@pytest.mark.parametrize("name", SERVED)
def test_what_is_unusual_but_a_request_is_served(target: Target, name: str) -> None:
    [answer] = _exchange(target, SERVED[name])
    assert answer.status == 200, answer
    assert strict_json(answer.body)["object"] == "list"


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(target: Target) -> None:
    head = b"POST /v1/evals HTTP/1.1\r\n" + _HOST + _CLOSE + b"expect: 100-continue\r\n" + _LENGTH + b"\r\n"
    with socket.create_connection(("127.0.0.1", target.server.port), timeout=_TIMEOUT_S) as connection:
        connection.sendall(head)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.sendall(_BODY)
        received = b""
        while block := connection.recv(65_536):
            received += block
    [answer] = _answers(received)
    assert answer.status == 201
    _delete(target, strict_json(answer.body)["id"])


def test_bytes_that_follow_a_request_cannot_change_what_it_means(target: Target) -> None:
    request = b"POST /v1/evals HTTP/1.1\r\n" + _HOST + _LENGTH + b"\r\n" + _BODY
    first, *others = _exchange(target, request + b"DELETE /v1/evals/x HTTP/1.1\r\n" + _END + b"junk")
    assert (first.status, [each.status for each in others]) == (201, [404])
    _delete(target, strict_json(first.body)["id"])


def test_a_request_with_any_of_its_bytes_changed_is_answered_or_refused(target: Target) -> None:
    chance = random.Random(SEED)
    plain = _post(_LENGTH, _BODY)
    chunked = _post(_CHUNKED, _chunk(_BODY[:50]) + _chunk(_BODY[50:]) + b"0\r\n\r\n")
    for _ in range(10 * SIZES.hostile_requests):
        sent = bytearray(chance.choice((plain, chunked)))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(sent))
            kind = chance.randrange(4)
            if kind == 0:
                sent[at] = chance.randrange(256)
            elif kind == 1:
                del sent[at : at + chance.randint(1, 20)]
            elif kind == 2:
                sent[at:at] = chance.randbytes(chance.randint(1, 5))
            else:
                sent[at:at] = chance.choice((b"\r\n", b"\n", b"\0", b" ", b":", b"\r\n\r\n", b"chunked", b"0"))
        for answer in _exchange(target, bytes(sent)):
            if answer.status in {200, 201}:
                found = strict_json(answer.body)
                if found["object"] == "eval":
                    _delete(target, found["id"])
            elif answer.status != 100:
                _assert_refusal(answer)
    target.assert_unchanged()


def _delete(target: Target, eval_id: str) -> None:
    operation = target.operations["deleteEval"]
    assert target.send(operation, operation.target({"eval_id": eval_id})).status_code == 200
