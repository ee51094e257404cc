"""Connections that send a byte now and then; `python -m benchmarks.slow_connections PORT COUNT SECONDS`.

Half of them never finish a head, half never finish a body. Whatever the server closes is opened again, so that there
are always as many. The addresses they come from are several: one has too few ports for all that are closed.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

from evalhaven.app.open_files import allow_many_connections

BYTE_EVERY_S = 4.0
_OPENED_AT_ONCE = 200
_ADDRESSES = 20
_AGAIN_AFTER_S = 0.5
_HEAD = b"GET /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
_BODY = (
    b"POST /v1/evals HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
)


@dataclass(slots=True)
class Slow:
    """What became of the connections.

    Attributes:
        opened: How many were opened.
        most: Most that were open at once.
        open_now: How many are open.
        refused: How many the server ended with 408.
        failed: How many could not be opened.
    """

    opened: int = 0
    most: int = 0
    open_now: int = 0
    refused: int = 0
    failed: int = 0


class _SlowConnection(asyncio.Protocol):
    def __init__(self, slow: Slow, begins: bytes) -> None:
        self._slow = slow
        self._begins = begins
        self.is_over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._slow.opened += 1
        self._slow.open_now += 1
        self._slow.most = max(self._slow.most, self._slow.open_now)
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own classes derive from none of asyncio's
        self._transport.write(self._begins)
        self._timer = asyncio.get_running_loop().call_later(BYTE_EVERY_S, self._send)

    def data_received(self, data: bytes) -> None:
        self._slow.refused += data.startswith(b"HTTP/1.1 408")

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._slow.open_now -= 1
        self.is_over.set_result(None)

    def _send(self) -> None:
        self._transport.write(b" ")
        self._timer = asyncio.get_running_loop().call_later(BYTE_EVERY_S, self._send)


async def _keep_open(slow: Slow, port: int, number: int, opening: asyncio.Semaphore) -> None:
    loop = asyncio.get_running_loop()
    address = (f"127.0.0.{2 + number % _ADDRESSES}", 0)
    begins = _HEAD if number % 2 else _BODY
    while True:
        try:
            async with opening:
                _, connection = await loop.create_connection(
                    lambda: _SlowConnection(slow, begins), "127.0.0.1", port, local_addr=address
                )
        except OSError:
            slow.failed += 1
            await asyncio.sleep(_AGAIN_AFTER_S)
            continue
        await connection.is_over


async def _attack(port: int, count: int, seconds: float) -> Slow:
    slow, opening = Slow(), asyncio.Semaphore(_OPENED_AT_ONCE)
    tasks = [asyncio.create_task(_keep_open(slow, port, number, opening)) for number in range(count)]
    await asyncio.sleep(seconds)
    found = Slow(**asdict(slow))
    for task in tasks:
        task.cancel()
    return found


if __name__ == "__main__":
    allow_many_connections()
    print(json.dumps(asdict(uvloop.run(_attack(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))))
