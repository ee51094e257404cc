"""Facts about connections: which are used again, and how they are opened, closed, secured and proxied."""

import asyncio
import socket
from typing import Any, cast

import pytest

from evalhaven.sampling.transport.client import Transport, TransportError, TransportOptions, open_transport
from tests.unit.sampling.transport.raw_server import HEADERS, OK, Peer, answering, keep_answering, reply, serving


def kept_by(transport: Transport) -> list[Any]:
    """Return the connections that wait for a next request."""
    return [each for kept in cast("Any", transport)._connector._conns.values() for each, _ in kept]


# Keeping connections.


async def test_connection_is_kept_for_the_next_request(transport: Transport) -> None:
    async with serving(keep_answering) as server:
        for _ in range(20):
            assert (await transport.post(server.url, HEADERS, b"{}", 10)).body == b"ok"
    assert server.connections == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["hints", "chunks", "trailers", "204", "304", "1.0"],
)
@pytest.mark.parametrize("step", [3, 1000], ids=["three bytes", "at once"])
async def test_connection_is_kept_after_any_complete_reply(transport: Transport, sent: bytes, step: int) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            await peer.read()
            for start in range(0, len(sent), step):
                await peer.send(sent[start : start + step])
                await asyncio.sleep(0)

    async with serving(behave) as server:
        for _ in range(3):
            await transport.post(server.url, HEADERS, b"{}", 10)
    assert server.connections == 1


@pytest.mark.parametrize(
    "sent", [reply(b"ok", "Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"], ids=["1.1", "1.0"]
)
async def test_connection_is_not_kept_when_the_server_does_not(transport: Transport, sent: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(sent)
        await peer.wait_for_end()

    async with serving(behave) as server:
        for _ in range(3):
            assert (await transport.post(server.url, HEADERS, b"{}", 10)).body == b"ok"
        await asyncio.wait_for(server.ended.wait(), 2)
    assert server.connections == 3


async def test_connection_that_the_server_closed_meanwhile_costs_no_request(transport: Transport) -> None:
    async with serving(answering(OK)) as server:  # closed after one reply, without a word
        for number in range(100):
            assert (await transport.post(server.url, HEADERS, b"%d" % number, 10)).body == b"ok"
            if number % 3 == 0:
                await asyncio.sleep(0.001)  # Now the end arrives before the next request, now after it.
    assert [request.body for request in server.requests] == [b"%d" % number for number in range(100)]


async def test_request_that_meets_the_end_of_its_kept_connection_is_sent_again_once(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(OK)
        await peer.read()  # and no reply

    async with serving(behave) as server:
        await transport.post(server.url, HEADERS, b"first", 10)
        assert (await transport.post(server.url, HEADERS, b"second", 10)).body == b"ok"
    assert [request.body for request in server.requests] == [b"first", b"second", b"second"]


async def test_request_that_one_kept_connection_did_not_answer_goes_to_a_new_one(transport: Transport) -> None:
    both = asyncio.Barrier(2)

    async def behave(peer: Peer) -> None:
        await peer.read()
        if len(peer.server.requests) <= 2:
            await both.wait()
        await peer.send(OK)
        await peer.read()  # and no reply

    async with serving(behave) as server:
        await asyncio.gather(*(transport.post(server.url, HEADERS, b"first", 10) for _ in range(2)))
        assert (await transport.post(server.url, HEADERS, b"second", 10)).body == b"ok"
    assert [request.body for request in server.requests] == [b"first", b"first", b"second", b"second"]
    assert server.connections == 3


async def test_request_is_not_sent_a_third_time(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        if (await peer.read()).body != b"second":
            await peer.send(OK)
            await peer.read()

    async with serving(behave) as server:
        await transport.post(server.url, HEADERS, b"first", 10)
        with pytest.raises(TransportError) as caught:
            await transport.post(server.url, HEADERS, b"second", 10)
    assert caught.value.kind == "broken"
    assert [request.body for request in server.requests] == [b"first", b"second", b"second"]


async def test_request_whose_reply_had_begun_is_not_sent_again(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(OK)
        await peer.read()
        await peer.send(b"H")

    async with serving(behave) as server:
        await transport.post(server.url, HEADERS, b"first", 10)
        with pytest.raises(TransportError) as caught:
            await transport.post(server.url, HEADERS, b"second", 10)
    assert caught.value.kind == "broken"
    assert [request.body for request in server.requests] == [b"first", b"second"]


@pytest.mark.parametrize("excess", [reply(b"no"), b"HTTP/1.1 200 OK\r\nX: ", b"nonsense"])
@pytest.mark.parametrize("pause_s", [0, 0.05], ids=["at once", "later"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunks"])
async def test_reply_that_nobody_asked_for_is_not_taken_for_the_next_one(
    transport: Transport, excess: bytes, pause_s: float, is_chunked: bool
) -> None:
    async def behave(peer: Peer) -> None:
        request = await peer.read()
        chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        sent = chunks % (len(request.body), request.body) if is_chunked else reply(request.body)
        await peer.send(sent + (b"" if pause_s else excess))
        if pause_s:
            await asyncio.sleep(pause_s)
            await peer.send(excess)
        await peer.wait_for_end()

    async with serving(behave) as server:
        for body in (b"first", b"second"):
            assert (await transport.post(server.url, HEADERS, body, 10)).body == body
            await asyncio.sleep(2 * pause_s)
    assert server.connections == 2


async def test_connection_with_half_a_request_on_it_is_not_kept(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(reply(b"too long", status="413 Content Too Large"))
        await peer.wait_for_end()

    async with serving(behave) as server:
        answer = await transport.post(server.url, HEADERS, b"x" * 30_000_000, 10)
        await asyncio.wait_for(server.ended.wait(), 5)
    assert (answer.status, answer.body) == (413, b"too long")


async def test_cookies_are_not_sent_back(transport: Transport) -> None:
    async with serving(answering(reply(b"", "Set-Cookie: id=1; Path=/"), OK)) as server:
        for _ in range(2):
            await transport.post(server.url, HEADERS, b"{}", 10)
    assert "cookie" not in server.requests[1].headers


async def test_idle_connections_are_closed_after_a_while() -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(OK)
        await peer.wait_for_end()

    async with open_transport(TransportOptions(max_idle_s=0.05)) as transport, serving(behave) as server:
        await transport.post(server.url, HEADERS, b"{}", 10)
        await asyncio.wait_for(server.ended.wait(), 2)


async def test_connection_that_was_idle_for_too_long_is_not_used() -> None:
    async with open_transport(TransportOptions(max_idle_s=0.05)) as transport, serving(keep_answering) as server:
        await transport.post(server.url, HEADERS, b"{}", 10)
        await asyncio.sleep(0.1)
        await transport.post(server.url, HEADERS, b"{}", 10)
    assert server.connections == 2


async def test_silent_connections_are_probed(transport: Transport) -> None:
    async with serving(keep_answering) as server:
        await transport.post(server.url, HEADERS, b"{}", 10)
        [connection] = kept_by(transport)
        assert connection.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# Many at once.


async def test_each_of_a_thousand_requests_at_once_gets_its_own_reply() -> None:
    async def behave(peer: Peer) -> None:
        while True:
            request = await peer.read()
            await asyncio.sleep(0.01)
            await peer.send(reply(request.body))

    async with open_transport(TransportOptions(connect_timeout_s=60)) as transport, serving(behave) as server:

        async def ask(number: int) -> None:
            for turn in range(2):
                body = b"%d/%d" % (number, turn)
                assert (await transport.post(server.url, HEADERS, body, 60)).body == body

        async with asyncio.TaskGroup() as tasks:
            for number in range(1000):
                tasks.create_task(ask(number))
    assert len(server.requests) == 2000
    assert server.connections <= 1000


async def test_three_thousand_requests_are_under_way_at_once() -> None:
    count = 3000
    everybody = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.read()
        if len(peer.server.requests) == count:
            everybody.set()
        await everybody.wait()  # Nobody is answered before all have asked.
        await peer.send(OK)

    async with open_transport(TransportOptions(connect_timeout_s=60)) as transport, serving(behave) as server:
        answers = await asyncio.gather(*(transport.post(server.url, HEADERS, b"{}", 60) for _ in range(count)))
    assert [answer.body for answer in answers] == [b"ok"] * count
    assert server.most_open == count
