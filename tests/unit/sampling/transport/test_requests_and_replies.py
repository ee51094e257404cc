"""Facts about replies: what comes back whole, and how a request fails when it does not."""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from evalhaven import __version__
from evalhaven.sampling.transport.client import Transport, TransportError, TransportOptions, open_transport
from tests.unit.sampling.transport.raw_server import OK, Behaviour, Peer, RawServer, answering, reply, serving

KEY = "sk-made-up-and-secret"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
LIMIT = 1_000_000


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_transport(TransportOptions(max_reply_bytes=LIMIT, connect_timeout_s=0.5)) as opened:
        yield opened


def in_parts(sent: bytes) -> Behaviour:
    """Answer a request with a reply whose head, and whose body's first bytes, come before the rest."""

    async def behave(peer: Peer) -> None:
        await peer.read()
        end = len(sent) if b"\r\n\r\n" not in sent else sent.index(b"\r\n\r\n") + 4
        for part in (sent[:5], sent[5:end], sent[end : end + 3], sent[end + 3 :]):
            await peer.send(part)
            await asyncio.sleep(0.01)

    return behave


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
_PACK = zlib.compressobj(wbits=31)
_FLUSHED = _PACK.compress(b"hello there") + _PACK.flush(zlib.Z_SYNC_FLUSH)
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
        reply(b"hello there", "Content-Encoding: UTF-8"),
        reply(b"hello there", "Content-Encoding: none, chunked"),
        reply(b"hello there", "Content-Encoding:"),
        reply(gzip.compress(b"hello there"), "Content-Encoding: GZIP ", "Content-Encoding: GZIP "),
        reply(gzip.compress(zlib.compress(b"hello there")), "Content-Encoding: deflate, gzip"),
        reply(zlib.compress(b"hello there")[2:-4], "Content-Encoding: deflate"),
        reply(gzip.compress(b"hello there") + b"\r\n", "Content-Encoding: gzip"),
        reply(gzip.compress(b"hello there")[:-8], "Content-Encoding: gzip"),
        reply(_FLUSHED, "Content-Encoding: gzip"),
        reply(b"hello there", "Content-Length: 11"),
        reply(b"hello there", "Content-Length: 11, 11"),
        _CHUNKS[:-2] + b"Content-Length: 5\r\n\r\nb\r\nhello there\r\n0\r\n\r\n",
        reply(b"hello there", "Connection: close") + b"<!-- made by a proxy -->",
        b"HTTP/1.1 200 OK\nContent-Length: 11\n\nhello there",
        reply(b"hello there", "X-Folded: a", "  b"),
        reply(b"hello there", "X-Long: " + "x" * 200_000),
        reply(b"hello there", *[f"X-{number}: v" for number in range(900)]),
        _CHUNKS[:-2] + b"Content-Encoding: gzip\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(_MEMBERS), _MEMBERS),
    ],
    ids=["chunks", "until the end", "1.0", "informational", "gzip", "gzip members",
         "deflate", "identity", "utf-8",
         "none", "no coding", "gzip twice said", "gzip of deflate", "bare deflate", "junk after gzip", "no check sum",
         "flushed", "length twice", "list of lengths", "length and chunks", "junk", "line feeds", "folded",
         "long header", "many headers", "both"],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 1_000_000], ids=["byte by byte", "at once"])
async def test_body_is_whole_however_it_is_framed(transport: Transport, sent: bytes, step: int) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        size = max(step, len(sent) // 1000)
        for start in range(0, len(sent), size):
            await peer.send(sent[start : start + size])
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


@pytest.mark.parametrize("has_pause", [False, True], ids=["at once", "in parts"])
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\nX",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x"),
        _CHUNKS + b"10\r\ncut",
        _CHUNKS + b"3\r\ncut\r\n",
        _CHUNKS + b"3\r\ncut\r\n0\r\n",
    ],
    ids=["nothing", "head", "second length", "length", "gzip", "chunk", "no last chunk", "half a last chunk"],
)
async def test_reply_that_is_cut_is_broken(transport: Transport, sent: bytes, has_pause: bool) -> None:
    async with serving(in_parts(sent) if has_pause else answering(sent)) as server:
        error = await failure_of(transport, server)
    assert error.kind == "broken"
    assert f"127.0.0.1:{server.port}" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("has_pause", [False, True], ids=["at once", "in parts"])
@pytest.mark.parametrize(
    "sent",
    [
        reply(gzip.compress(b"long enough" * 100, mtime=0)[:-9], "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"until the end", mtime=0)[:-8],
        reply(b"not compressed", "Content-Encoding: gzip"),
        reply(b"compressed in a way nobody asked for", "Content-Encoding: br"),
        reply(b"compressed too often", "Content-Encoding: gzip, gzip, gzip, gzip, gzip"),
        _CHUNKS + b"zz\r\nno number\r\n0\r\n\r\n",
        _CHUNKS + b"2\r\nok\r\nzz\r\nno number\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 000 None\r\nContent-Length: 2\r\n\r\nok",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        reply(b"ok", "X-Null: a\0b"),
        reply(b"ok", "X Blank: a"),
        reply(b"ok", "X-Blank : a"),
        reply(b"ok", ": a"),
    ],
    ids=["gzip", "gzip without length", "no gzip", "br", "five codings", "chunk size", "second chunk size", "ssh",
         "lengths", "negative", "upgrade", "status", "http2", "NUL", "blank in a name",
         "blank after a name", "no name"],
)  # fmt: skip
async def test_what_is_no_http_or_cannot_be_decoded_is_malformed(
    transport: Transport, sent: bytes, has_pause: bool
) -> None:
    async with serving(in_parts(sent) if has_pause else answering(sent)) as server:
        error = await failure_of(transport, server)
    assert error.kind == "malformed"
    assert f"127.0.0.1:{server.port}" in str(error)
    assert len(server.requests) == 1


async def test_what_is_no_http_is_shown_up_to_its_first_bytes(transport: Transport) -> None:
    async with serving(answering(b"SSH-2.0-OpenSSH_9.9\r\n" + b"x" * 100_000)) as server:
        error = await failure_of(transport, server)
    assert "HTTP/1.1: SSH-2.0-OpenSSH_9.9 xxx" in str(error)
    assert len(str(error)) < 5000


async def test_what_cannot_be_decoded_is_told_with_status_type_and_coding(transport: Transport) -> None:
    sent = reply(b"x", "Content-Encoding: br", "Content-Type: application/json")
    async with serving(answering(sent)) as server:
        error = await failure_of(transport, server)
    assert "answered 200 (application/json, br) with a reply in the coding br" in str(error)


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


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("né".encode("utf-8-sig"), "application/json", "né"),
        ("né".encode("utf-16"), "application/json", "né"),
        ("né".encode("utf-16-be"), "application/json; charset=utf-16be", "né"),
        ("né".encode("utf-32"), "text/plain", "né"),
        ("né".encode("latin-1"), "application/json; charset=ISO-8859-1", "né"),
        ("né".encode(), "application/json;charset=iso-8859-1", "né"),
        ("né".encode(), "application/json; charset=utf-8", "né"),
        ("né".encode(), "application/json; charset=idna", "né"),
        ("né".encode(), 'application/json; charset="nonsense"', "né"),
    ],
)
async def test_text_comes_in_utf_8_whatever_it_was_sent_in(
    transport: Transport, body: bytes, content_type: str, expected: str
) -> None:
    async with serving(answering(reply(body, f"Content-Type: {content_type}"))) as server:
        answer = await transport.post(server.url, HEADERS, b"{}", 10)
    assert answer.body == expected.encode()


async def test_bytes_that_are_no_text_stay_as_they_are(transport: Transport) -> None:
    async with serving(answering(reply(b"\xff\xfe\x00", "Content-Type: text/plain; charset=utf-16"))) as server:
        answer = await transport.post(server.url, HEADERS, b"{}", 10)
    assert answer.body == b"\xff\xfe\x00"


@pytest.mark.parametrize("target", ["/v1/a%2Fb%41?x=%2f&y=a+b;c", "/v1//x/../y?", "/%C3%BC?q=[1]&z={}|^`\"<>'"])
async def test_path_and_query_are_sent_as_they_are(transport: Transport, target: str) -> None:
    async with serving(answering(OK)) as server:
        await transport.post(f"http://127.0.0.1:{server.port}{target}", {}, b"{}", 10)
    assert server.requests[0].line == f"POST {target.removesuffix('?')} HTTP/1.1"


async def test_netrc_and_proxies_of_the_environment_add_nothing(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://me:secret@127.0.0.1:1")
    async with serving(answering(OK)) as server:
        await transport.post(server.url, {}, b"{}", 10)
    assert not any("authorization" in name for name in server.requests[0].headers)
