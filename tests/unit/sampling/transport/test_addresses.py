"""Facts about names with several addresses: one that is silent does not keep the others from being tried."""

import asyncio
import contextlib
import socket
from collections.abc import Generator, Sequence
from typing import Any

import aiohappyeyeballs
import pytest
from aiohttp import ThreadedResolver

from evalhaven.sampling.transport.client import TransportError, TransportOptions, open_transport
from tests.unit.sampling.transport.raw_server import HEADERS, keep_answering, serving

_SILENT = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


@contextlib.contextmanager
def silent(hosts: Sequence[str], port: int) -> Generator[None]:
    """Let addresses of this machine accept no connections, as if the host were gone."""
    with contextlib.ExitStack() as stack:
        for host in hosts:
            full = stack.enter_context(socket.socket())
            full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            full.bind((host, port))
            full.listen(0)
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((host, port))
        yield


def resolving_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Let every name have these addresses."""

    async def resolve(self: Any, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        del self
        known = {"family": family, "proto": 0, "flags": 0}
        return [{"hostname": host, "host": address, "port": port, **known} for address in hosts]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)


async def test_second_address_is_tried_while_the_first_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    async with serving(keep_answering) as server, open_transport(TransportOptions(connect_timeout_s=30)) as transport:
        with silent(_SILENT, server.port):
            url = f"http://models.example:{server.port}/v1"
            answer = await asyncio.wait_for(transport.post(url, HEADERS, b"{}", 30), 10)
    assert answer.body == b"ok"


async def test_next_address_is_tried_after_a_quarter_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    delays: list[float | None] = []
    start = aiohappyeyeballs.start_connection

    async def start_noted(*arguments: Any, **options: Any) -> socket.socket:
        delays.append(options["happy_eyeballs_delay"])
        assert len(options["addr_infos"]) == 2
        return await start(*arguments, **options)

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", start_noted)
    async with serving(keep_answering) as server, open_transport(TransportOptions()) as transport:
        await transport.post(f"http://models.example:{server.port}/v1", HEADERS, b"{}", 10)
    assert delays == [0.25]


@pytest.mark.parametrize("refusing", ["127.0.0.2", "::1"])
async def test_second_address_is_tried_when_the_first_refuses(monkeypatch: pytest.MonkeyPatch, refusing: str) -> None:
    resolving_to(monkeypatch, refusing, "127.0.0.1")
    async with serving(keep_answering) as server, open_transport(TransportOptions()) as transport:
        answer = await transport.post(f"http://models.example:{server.port}/v1", HEADERS, b"{}", 10)
    assert answer.body == b"ok"


async def test_connect_timeout_is_for_all_addresses_together(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, *_SILENT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with silent(_SILENT, port):
        async with open_transport(TransportOptions(connect_timeout_s=1)) as transport:
            asking = transport.post(f"http://models.example:{port}/v1", HEADERS, b"{}", 30)
            with pytest.raises(TransportError, match="within 1 seconds") as caught:
                await asyncio.wait_for(asking, 2.9)  # and not a second for each
    assert caught.value.kind == "connect"
