"""Callers of chat completions that cost little: at a steady rate whatever the answers take, or many streams at once."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from benchmarks.server import BenchmarkError

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_AT = re.compile(rb'"at": ?(\d+)')
_LAST = b"data: [DONE]"
_BLOCK_S = 1.0
_WARM_UP_S = 2.0
_PATIENCE_S = 30.0
_KEPT_BYTES = 40


@dataclass(frozen=True, slots=True)
class Way:
    """One of the ways to the same endpoint.

    Attributes:
        name: For the tables.
        port: On this machine.
        request: Head and body of the request.
    """

    name: str
    port: int
    request: bytes = field(repr=False)


def way(name: str, port: int, body: bytes) -> Way:
    """Return a way to an endpoint.

    Args:
        name: For the tables.
        port: On this machine.
        body: Of the request.
    """
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer sk-made-up\r\nContent-Length: {len(body)}\r\n\r\n"
    return Way(name, port, head.encode() + body)


async def call_steadily(ways: Sequence[Way], rate: int, seconds: float) -> dict[str, list[float]]:
    """Return the milliseconds to the first byte of each answer's body, by the name of the way.

    The ways take turns second by second, so that whatever else the machine does affects all of them.

    Args:
        ways: Which are compared.
        rate: Calls a second, at equal distances.
        seconds: How long each way is called.
    """
    pools = {each.name: _Pool(each) for each in ways}
    for each in ways:
        await _block(pools[each.name], rate, _WARM_UP_S)
        pools[each.name].waits.clear()
    for _ in range(round(seconds / _BLOCK_S)):
        for each in ways:
            await _block(pools[each.name], rate, _BLOCK_S)
    for pool in pools.values():
        pool.close()
    return {name: pool.waits for name, pool in pools.items()}


async def _block(pool: "_Pool", rate: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number in range(round(rate * seconds)):
        due = started + number / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        await pool.call()
    async with asyncio.timeout(_PATIENCE_S):
        await pool.wait_until_idle()


class _Pool:
    """The connections of a way, and what was measured over them."""

    def __init__(self, target: Way) -> None:
        self._way = target
        self._free: list[_Caller] = []
        self._all: list[_Caller] = []
        self._idle = asyncio.Event()
        self.waits: list[float] = []

    async def call(self) -> None:
        """Send a request, without waiting for the answer."""
        if not self._free:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(lambda: _Caller(self), "127.0.0.1", self._way.port)
            self._all.append(made)
            self._free.append(made)
        self._idle.clear()
        self._free.pop().send(self._way.request)

    async def wait_until_idle(self) -> None:
        """Wait for every answer."""
        await self._idle.wait()

    def note(self, caller: "_Caller", wait_s: float) -> None:
        """Note an answer."""
        self.waits.append(wait_s * 1000)
        self._free.append(caller)
        if len(self._free) == len(self._all):
            self._idle.set()

    def forget(self, caller: "_Caller") -> None:
        """Use a connection no more, since the other side closed it."""
        if caller in self._free:
            self._free.remove(caller)
            self._all.remove(caller)

    def close(self) -> None:
        """Close the connections."""
        for each in tuple(self._all):
            each.close()


class _Caller(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool
        self._received = b""
        self._sent_at = 0.0
        self._wait_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.forget(self)

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._received, self._wait_s = b"", None
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._received += data
        received = self._received
        end = received.find(b"\r\n\r\n") + 4
        if end < 4 or len(received) == end:
            return
        if not received.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"A call was answered: {received[:300]!r}")
        if self._wait_s is None:
            self._wait_s = now - self._sent_at
        length = _LENGTH.search(received, 0, end)
        is_whole = len(received) == end + int(length[1]) if length else received.endswith(b"0\r\n\r\n")
        if is_whole:
            self._pool.note(self, self._wait_s)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


async def read_streams(target: Way, streams: int, chunks: int) -> list[float]:
    """Return the milliseconds that each chunk took from the endpoint to its reader.

    Args:
        target: The way.
        streams: How many are read at once.
        chunks: How many each has.
    """
    loop = asyncio.get_running_loop()
    readers: list[_Reader] = []
    for _ in range(streams):
        _, reader = await loop.create_connection(_Reader, "127.0.0.1", target.port)
        readers.append(reader)
        reader.send(target.request)
        await asyncio.sleep(1 / streams)
    await asyncio.gather(*(reader.ended for reader in readers))
    for reader in readers:
        if len(reader.waits) != chunks:
            raise BenchmarkError(f"A stream had {len(reader.waits)} chunks instead of {chunks}.")
    return [wait for reader in readers for wait in reader.waits]


class _Reader(asyncio.Protocol):
    """Reads one stream."""

    def __init__(self) -> None:
        self._rest = b""
        self.waits: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> None:
        """Send the request."""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        text = self._rest + data
        used = 0
        for found in _AT.finditer(text):
            if found.end() == len(text):
                break
            self.waits.append((now - int(found[1])) / 1e6)
            used = found.end()
        self._rest = text[used:] if used or len(text) < _KEPT_BYTES else text[-_KEPT_BYTES * 10 :]
        if _LAST in text:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
