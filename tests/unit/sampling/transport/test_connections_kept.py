"""Facts about connections: which are used again, and how they are opened, closed, secured and sent by a proxy."""

import asyncio
import socket
from typing import Any, cast

import pytest

from evalhaven.sampling.transport import client as transport_module
from evalhaven.sampling.transport.client import Transport, TransportError, TransportOptions, open_transport
from tests.unit.sampling.transport.raw_server import HEADERS, OK, Peer, answering, keep_answering, reply, serving

# Keeping connections.


async def test_connection_is_kept_for_the_next_request(transport: Transport) -> None:
    async with serving(keep_answering) as server:
        for _ in range(20):
            assert (await transport.post(server.url, HEADERS, b"{}", 10)).body == b"ok"
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
async def test_reply_that_nobody_asked_for_is_not_taken_for_the_next_one(
    transport: Transport, excess: bytes, pause_s: float
) -> None:
    async def behave(peer: Peer) -> None:
        request = await peer.read()
        await peer.send(reply(request.body) + (b"" if pause_s else excess))
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


async def test_idle_connections_are_closed_after_a_while(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_MAX_IDLE_S", 0.05)

    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(OK)
        await peer.wait_for_end()

    async with serving(behave) as server:
        await transport.post(server.url, HEADERS, b"{}", 10)
        await asyncio.wait_for(server.ended.wait(), 2)


async def test_connection_that_was_idle_for_too_long_is_not_used(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(keep_answering) as server:
        await transport.post(server.url, HEADERS, b"{}", 10)
        monkeypatch.setattr(transport_module, "_MAX_IDLE_S", 0.01)
        await asyncio.sleep(0.05)
        await transport.post(server.url, HEADERS, b"{}", 10)
    assert server.connections == 2


async def test_silent_connections_are_probed(transport: Transport) -> None:
    async with serving(keep_answering) as server:
        await transport.post(server.url, HEADERS, b"{}", 10)
        [connection] = cast("Any", transport)._connections
        assert connection._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# Many at once.


async def test_each_of_a_thousand_requests_at_once_gets_its_own_reply(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            request = await peer.read()
            await asyncio.sleep(0.01)
            await peer.send(reply(request.body))

    async with serving(behave) as server:

        async def ask(number: int) -> None:
            for turn in range(2):
                body = b"%d/%d" % (number, turn)
                assert (await transport.post(server.url, HEADERS, body, 60)).body == body

        async with asyncio.TaskGroup() as tasks:
            for number in range(1000):
                tasks.create_task(ask(number))
    assert len(server.requests) == 2000
    assert server.connections <= 1000


async def test_more_requests_than_connections_wait_for_one() -> None:
    async def behave(peer: Peer) -> None:
        while True:
            await peer.read()
            await asyncio.sleep(0.005)
            await peer.send(OK)

    async with open_transport(TransportOptions(max_connections=3)) as transport, serving(behave) as server:
        await asyncio.gather(*(transport.post(server.url, HEADERS, b"{}", 60) for _ in range(50)))
    assert server.connections == 3
    assert len(server.requests) == 50


async def test_wait_for_a_connection_counts_as_time_of_the_request() -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.wait_for_end()

    async with open_transport(TransportOptions(max_connections=1)) as transport, serving(behave) as server:
        first = asyncio.create_task(transport.post(server.url, HEADERS, b"{}", 60))
        await asyncio.wait_for(server.asked.wait(), 5)
        for _ in range(2):
            with pytest.raises(TransportError) as caught:
                await transport.post(server.url, HEADERS, b"{}", 0.2)
            assert caught.value.kind == "timeout"
        first.cancel()
        assert len(server.requests) == 1


async def test_idle_connection_to_another_server_makes_room() -> None:
    async with (
        open_transport(TransportOptions(max_connections=2)) as transport,
        serving(keep_answering) as first,
        serving(keep_answering) as second,
        serving(keep_answering) as third,
    ):
        for _ in range(3):
            for server in (first, second, third):
                assert (await transport.post(server.url, HEADERS, b"{}", 10)).body == b"ok"
                assert len(cast("Any", transport)._connections) <= 2
        assert first.connections + second.connections + third.connections > 3
