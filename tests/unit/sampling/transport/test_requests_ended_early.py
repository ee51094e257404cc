"""Facts about requests that end early: nothing is left open, and nobody else is disturbed."""

import asyncio
import gc
from typing import Any, cast

import pytest

from evalhaven.sampling.transport.client import Transport, TransportError, TransportOptions, open_transport
from evalhaven.sampling.transport.connections import Receiver
from tests.unit.sampling.transport.raw_server import HEADERS, Peer, keep_answering, reply, serving


def connections_of(transport: Transport) -> list[Any]:
    connector = cast("Any", transport)._connector
    return [*connector._acquired, *(each for kept in connector._conns.values() for each, _ in kept)]


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"], ids=["head", "body"])
async def test_cancelled_request_is_closed_within_moments(transport: Transport, sent: bytes) -> None:
    asked = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(sent)
        asked.set()
        await peer.wait_for_end()

    async with serving(behave) as server:
        task = asyncio.create_task(transport.post(server.url, HEADERS, b"{}", 60))
        await asked.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.ended.wait(), 2)


async def test_request_that_is_cancelled_while_it_connects_leaves_nothing_open() -> None:
    async def behave(peer: Peer) -> None:
        await peer.wait_for_end()

    async with open_transport(TransportOptions()) as transport:
        async with serving(behave) as silent:  # TLS is never answered, so the connection is never ready
            task = asyncio.create_task(transport.post(f"https://127.0.0.1:{silent.port}/", HEADERS, b"{}", 60))
            await asyncio.wait_for(silent.connected.wait(), 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(silent.ended.wait(), 2)
        assert not connections_of(transport)


async def test_requests_cancelled_at_any_moment_do_not_disturb_others(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            request = await peer.read()
            await asyncio.sleep(0.003)
            await peer.send(reply(request.body))

    async with serving(behave) as server:

        async def ask(number: int) -> None:
            body = b"%d" % number
            assert (await transport.post(server.url, HEADERS, body, 60)).body == body

        for number in range(200):
            tasks = [asyncio.create_task(ask(10 * number + each)) for each in range(5)]
            await asyncio.sleep((number % 20) / 2500)
            for each in tasks[:3]:
                each.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            unexpected = [each for each in results if not isinstance(each, asyncio.CancelledError | None)]
            assert not unexpected
        assert len(connections_of(transport)) <= 5


async def test_request_that_is_cancelled_as_its_reply_arrives_leaves_no_connection_behind(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Receiver.data_received

    def take_and_cancel(receiver: Receiver, data: bytes) -> None:
        take(receiver, data)
        task.cancel()

    monkeypatch.setattr(Receiver, "data_received", take_and_cancel)
    async with serving(keep_answering) as server:
        task = asyncio.create_task(transport.post(server.url, HEADERS, b"{}", 60))
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.01)
        assert not connections_of(transport)
        assert server.open == 0


async def test_closing_the_transport_ends_requests_and_connections() -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.wait_for_end()

    async with serving(behave) as server:
        async with open_transport(TransportOptions()) as transport:
            task = asyncio.create_task(transport.post(server.url, HEADERS, b"{}", 60))
            await asyncio.wait_for(server.asked.wait(), 5)
        with pytest.raises(TransportError) as caught:
            await task
        await asyncio.wait_for(server.ended.wait(), 2)
        with pytest.raises(TransportError, match="closed"):
            await transport.post(server.url, HEADERS, b"{}", 60)
        assert server.connections == 1
    assert caught.value.kind == "broken"
    gc.collect()  # An unclosed socket would warn now, and warnings are errors.


async def test_what_may_no_longer_be_sent_once_there_is_a_connection_is_not_sent() -> None:
    may_send = True
    async with (
        serving(keep_answering) as server,
        open_transport(TransportOptions(connect_timeout_s=2), lambda: may_send) as transport,
    ):
        await transport.post(server.url, {}, b"first", 10)
        may_send = False
        for timeout_s in (0.05, 0.05):  # on the kept connection, then on a new one
            with pytest.raises(TransportError):
                await transport.post(server.url, {}, b"second", timeout_s)
        may_send = True
        await transport.post(server.url, {}, b"third", 10)
    assert [request.body for request in server.requests] == [b"first", b"third"]
