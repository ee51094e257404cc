"""Facts about replies: what comes back whole, and how a request fails when it does not."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator

import pytest

from evalhaven import __version__
from evalhaven.sampling.transport.client import Transport, TransportError, TransportOptions, open_transport
from tests.unit.sampling.transport.raw_server import OK, Peer, RawServer, answering, reply, serving

KEY = "sk-made-up-and-secret"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
LIMIT = 1_000_000


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_transport(TransportOptions(max_reply_bytes=LIMIT, connect_timeout_s=0.5)) as opened:
        yield opened


async def failure_of(transport: Transport, server: RawServer, timeout_s: float = 10) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await transport.post(server.url, HEADERS, b"{}", timeout_s)
    return caught.value


async def test_request_arrives_as_given_with_what_http_wants_besides(transport: Transport) -> None:
    async with serving(answering(OK)) as server:
        await transport.post(f"{server.url}?api-version=1", HEADERS, b'{"model": "m"}', 10)
    [request] = server.requests
    assert request.line == "POST /v1/chat/completions?api-version=1 HTTP/1.1"
    assert request.body == b'{"model": "m"}'
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": f"evalhaven/{__version__}",
        "accept-encoding": "identity",
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "content-length": "14",
    }


async def test_get_sends_no_body(transport: Transport) -> None:
    async with serving(answering(OK)) as server:
        answer = await transport.get(server.url, HEADERS, 10)
    [request] = server.requests
    assert answer.body == b"ok"
    assert request.line.startswith("GET ")
    assert "content-length" not in request.headers
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "401 No", "429 Too Many Requests", "503 Later"])
async def test_reply_is_returned_whatever_its_status(transport: Transport, status: str) -> None:
    async with serving(
        answering(reply(b"said", "Retry-After: 3", "X-Twice: a", "x-twice: b", status=status))
    ) as server:
        answer = await transport.post(server.url, HEADERS, b"{}", 10)
    assert (answer.status, answer.body) == (int(status[:3]), b"said")
    assert answer.headers == {"retry-after": "3", "x-twice": "a, b", "content-length": "4"}


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_redirect_is_returned_and_not_followed(transport: Transport, status: str) -> None:
    async with (
        serving(answering(OK)) as elsewhere,
        serving(answering(reply(b"", f"Location: {elsewhere.url}", status=status))) as server,
    ):
        answer = await transport.post(server.url, HEADERS, b"{}", 10)
    assert answer.status == int(status[:3])
    assert elsewhere.connections == 0


_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_MEMBERS = gzip.compress(b"hello ", mtime=0) + gzip.compress(b"there", mtime=0)


@pytest.mark.parametrize(
    "sent",
    [
        _CHUNKS + b"6\r\nhello \r\n5;name=value\r\nthere\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello there",
        b"HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\nhello there",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + reply(b"hello there"),
        reply(gzip.compress(b"hello there", mtime=0), "Content-Encoding: gzip"),
        reply(_MEMBERS, "Content-Encoding: x-gzip"),
        reply(zlib.compress(b"hello there"), "Content-Encoding: deflate"),
        reply(b"hello there", "Content-Encoding: identity"),
        _CHUNKS[:-2] + b"Content-Encoding: gzip\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(_MEMBERS), _MEMBERS),
    ],
    ids=["chunks", "until the end", "1.0", "informational", "gzip", "gzip members", "deflate", "identity", "both"],
)
@pytest.mark.parametrize("step", [1, 1000], ids=["byte by byte", "at once"])
async def test_body_is_whole_however_it_is_framed(transport: Transport, sent: bytes, step: int) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        for start in range(0, len(sent), step):
            await peer.send(sent[start : start + step])
            await asyncio.sleep(0)

    async with serving(behave) as server:
        answer = await transport.post(server.url, HEADERS, b"{}", 10)
    assert (answer.status, answer.body) == (200, b"hello there")
    assert "x-trailer" not in answer.headers


async def test_informational_replies_leave_nothing_in_the_reply(transport: Transport) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nRetry-After: 1\r\n\r\n"
    async with serving(answering(hints + reply(b"ok", "Retry-After: 2"))) as server:
        answer = await transport.post(server.url, HEADERS, b"{}", 10)
    assert answer.headers == {"retry-after": "2", "content-length": "2"}


async def test_reply_without_body_is_complete_at_its_head(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        await peer.wait_for_end()

    async with serving(behave) as server:
        answer = await transport.post(server.url, HEADERS, b"{}", 10)
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut",
        _CHUNKS + b"10\r\ncut",
        _CHUNKS + b"3\r\ncut\r\n",
    ],
    ids=["nothing", "head", "length", "chunk", "no last chunk"],
)
async def test_cut_reply_is_broken(transport: Transport, sent: bytes) -> None:
    async with serving(answering(sent)) as server:
        error = await failure_of(transport, server)
    assert error.kind == "broken"
    assert f"127.0.0.1:{server.port}" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "sent",
    [
        reply(gzip.compress(b"long enough" * 100, mtime=0)[:-9], "Content-Encoding: gzip"),
        reply(b"not compressed", "Content-Encoding: gzip"),
        reply(b"compressed in a way nobody asked for", "Content-Encoding: br"),
        _CHUNKS + b"zz\r\nno number\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    ],
    ids=["gzip", "no gzip", "br", "chunk size", "ssh", "lengths", "negative", "upgrade", "http2"],
)
async def test_what_came_and_is_no_reply_is_malformed(transport: Transport, sent: bytes) -> None:
    async with serving(answering(sent)) as server:
        error = await failure_of(transport, server)
    assert error.kind == "malformed"
    assert f"127.0.0.1:{server.port}" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal", b"HTTP/1.1 200 OK\r\n\r\nhal"]
)
async def test_reset_connection_is_broken(transport: Transport, sent: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read_head()  # What is left unread turns the end into a reset.
        await peer.send(sent)
        await asyncio.sleep(0.05)
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.reset()

    async with serving(behave) as server:
        assert (await failure_of(transport, server)).kind == "broken"
