"""Facts about replies that are read part by part: head first, parts as they come, and an end at any moment."""

import asyncio
import contextlib
import gzip
import zlib

import pytest

from evalhaven.sampling.transport.client import HttpTransport, TransportError, TransportOptions, open_transport
from tests.unit.sampling.transport.raw_server import HEADERS, OK, Peer, RawServer, answering, keep_answering, serving

_CHUNKS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def test_head_and_each_part_arrive_before_the_next_is_sent(transport: HttpTransport) -> None:
    taken = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(_CHUNKS)
        for part in (b"one", b"two", b""):
            await taken.wait()  # for the head, then for the part before
            taken.clear()
            await peer.send(chunk(part))
        await peer.read()

    async with serving(behave) as server, transport.stream(server.url, HEADERS, b"{}", 10, 10) as reply:
        assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
        taken.set()
        parts: list[bytes] = []
        async for part in reply.parts:
            parts.append(part)
            taken.set()
    assert parts == [b"one", b"two"]


async def test_connection_is_kept_after_a_reply_that_was_read_to_its_end(transport: HttpTransport) -> None:
    async with serving(keep_answering) as server:
        for _ in range(3):
            async with transport.stream(server.url, HEADERS, b"{}", 10, 10) as reply:
                assert b"".join([part async for part in reply.parts]) == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize("is_begun", [False, True], ids=["unread", "in the middle"])
async def test_leaving_the_reply_ends_the_connection_at_once(transport: HttpTransport, is_begun: bool) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(_CHUNKS + chunk(b"one"))
        await peer.wait_for_end()

    async with serving(behave) as server:
        async with transport.stream(server.url, HEADERS, b"{}", 10, 60) as reply:
            if is_begun:
                assert await anext(reply.parts) == b"one"
        await asyncio.wait_for(server.ended.wait(), 2)


@pytest.mark.parametrize("sent", [b"", _CHUNKS + chunk(b"one")], ids=["head", "part"])
async def test_cancel_ends_the_connection_at_once(transport: HttpTransport, sent: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(sent)
        await peer.wait_for_end()

    async def read(server: RawServer) -> None:
        async with transport.stream(server.url, HEADERS, b"{}", 60, 60) as reply:
            async for _ in reply.parts:
                pass

    async with serving(behave) as server:
        task = asyncio.create_task(read(server))
        await asyncio.wait_for(server.asked.wait(), 5)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.ended.wait(), 2)


async def test_silence_ends_a_reply_and_its_length_does_not(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(_CHUNKS)
        for _ in range(10):
            await peer.send(chunk(b"x"))
            await asyncio.sleep(0.05)
        await peer.wait_for_end()

    async with serving(behave) as server:
        count = 0
        with pytest.raises(TransportError) as caught:  # noqa: PT012 - it comes after the parts
            async with transport.stream(server.url, HEADERS, b"{}", 0.3, 0.3) as reply:
                async for part in reply.parts:
                    count += len(part)
        assert (caught.value.kind, count) == ("timeout", 10)
        await asyncio.wait_for(server.ended.wait(), 2)


async def test_head_that_does_not_come_ends_with_its_time(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.wait_for_end()

    async with serving(behave) as server:
        with pytest.raises(TransportError) as caught:
            async with transport.stream(server.url, HEADERS, b"{}", 0.2, 60):
                pass
        assert caught.value.kind == "timeout"
        await asyncio.wait_for(server.ended.wait(), 2)


async def test_reply_may_be_larger_than_a_whole_one() -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(_CHUNKS)
        for _ in range(40):
            await peer.send(chunk(b"x" * 100_000))
        await peer.send(chunk(b""))
        await peer.wait_for_end()

    async with (
        open_transport(TransportOptions(max_reply_bytes=1000)) as transport,
        serving(behave) as server,
        transport.stream(server.url, HEADERS, b"{}", 10, 10) as reply,
    ):
        sizes = [len(part) async for part in reply.parts]
    assert sum(sizes) == 4_000_000
    assert max(sizes) < 1_000_000


async def test_who_reads_slowly_holds_the_server_back(transport: HttpTransport) -> None:
    sent_bytes = 0

    async def behave(peer: Peer) -> None:
        nonlocal sent_bytes
        await peer.read()
        await peer.send(_CHUNKS)
        while True:
            await peer.send(chunk(b"x" * 100_000))
            sent_bytes += 100_000

    async with serving(behave) as server, transport.stream(server.url, HEADERS, b"{}", 10, 10) as reply:
        assert await anext(reply.parts)
        before = -1
        while before < sent_bytes:  # until the server has to wait
            before = sent_bytes
            await asyncio.sleep(0.3)
        assert sent_bytes < 60_000_000


async def test_compressed_parts_are_uncompressed_as_they_come(transport: HttpTransport) -> None:
    pack = zlib.compressobj(wbits=31)
    parts = [pack.compress(text) + pack.flush(zlib.Z_SYNC_FLUSH) for text in (b"one", b"two")] + [pack.flush()]
    taken = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(_CHUNKS[:-2] + b"Content-Encoding: gzip\r\n\r\n")
        for part in parts:
            await peer.send(chunk(part))
            await taken.wait()
            taken.clear()
        await peer.send(chunk(b""))
        await peer.wait_for_end()

    async with serving(behave) as server, transport.stream(server.url, HEADERS, b"{}", 10, 10) as reply:
        found: list[bytes] = []
        async for part in reply.parts:
            found.append(part)
            taken.set()
            if len(found) == 2:
                await asyncio.sleep(0.05)
                taken.set()
    assert found == [b"one", b"two"]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (_CHUNKS + chunk(b"cut"), "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut", "broken"),
        (_CHUNKS + chunk(b"ok") + b"zz\r\n", "malformed"),
        (_CHUNKS[:-2] + b"Content-Encoding: gzip\r\n\r\n" + chunk(b"plain") + chunk(b""), "malformed"),
        (_CHUNKS[:-2] + b"Content-Encoding: gzip\r\n\r\n" + chunk(gzip.compress(b"x")[:9]) + chunk(b""), "malformed"),
    ],
)
async def test_reply_that_goes_wrong_says_so_where_it_does(transport: HttpTransport, sent: bytes, kind: str) -> None:
    async with serving(answering(sent)) as server:
        with pytest.raises(TransportError) as caught:  # noqa: PT012 - the head may come whole
            async with transport.stream(server.url, HEADERS, b"{}", 10, 10) as reply:
                async for _ in reply.parts:
                    pass
    assert caught.value.kind == kind


async def test_request_that_a_kept_connection_did_not_answer_is_sent_again_once(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(OK)
        await peer.read()  # and no reply

    async with serving(behave) as server:
        for body in (b"first", b"second"):
            async with transport.stream(server.url, HEADERS, body, 10, 10) as reply:
                assert b"".join([part async for part in reply.parts]) == b"ok"
    assert [request.body for request in server.requests] == [b"first", b"second", b"second"]


async def test_error_of_whoever_reads_comes_out_as_it_is(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(_CHUNKS + chunk(b"one"))
        await peer.wait_for_end()

    async with serving(behave) as server:
        with contextlib.suppress(ZeroDivisionError):
            async with transport.stream(server.url, HEADERS, b"{}", 10, 60):
                raise ZeroDivisionError
        await asyncio.wait_for(server.ended.wait(), 2)
