"""A TCP proxy on loopback that can stand between a process and its database, and stall, or cut what is open.

with StallingProxy(port) as proxy:
    ...  # connect to proxy.port
    proxy.stall()    # nothing passes any more, in either direction; connections are still accepted
    proxy.resume()   # what was sent meanwhile arrives, late
    proxy.cut()      # all connections are reset
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_RESET = struct.pack("ii", 1, 0)  # closing the socket sends RST
_PART_BYTES = 64 * 1024


class StallingProxy:
    """The proxy, in a thread of its own; it listens while the context lasts."""

    def __init__(self, target_port: int) -> None:
        """Listen nowhere yet.

        Args:
            target_port: Where on loopback what arrives is passed on to.
        """
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._flows = asyncio.Event()
        self._writers = set[asyncio.StreamWriter]()
        self._tasks = set[asyncio.Task[None]]()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def is_stalled(self) -> bool:
        """Whether nothing passes now."""
        return not self._flows.is_set()

    def stall(self) -> None:
        """Let nothing pass from now on."""
        self._do(self._flows.clear)

    def resume(self) -> None:
        """Let everything pass again."""
        self._do(self._flows.set)

    def cut(self) -> None:
        """Reset all connections that are open."""
        self._do(self._reset_all)

    def _do(self, action: Callable[[], object]) -> None:
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait()

    async def _listen(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        self._reset_all()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            self._reset(writer)
            return
        self._writers |= {writer, far_writer}
        both = [self._loop.create_task(self._pass(*way)) for way in ((reader, far_writer), (far_reader, writer))]
        self._tasks.update(both)
        await asyncio.gather(*both, return_exceptions=True)
        self._tasks.difference_update(both)
        for each in (writer, far_writer):
            self._writers.discard(each)
            each.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_PART_BYTES):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        await self._flows.wait()
        writer.close()

    def _reset_all(self) -> None:
        for writer in tuple(self._writers):
            self._reset(writer)

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        found: socket.socket | None = writer.get_extra_info("socket")
        if found is not None:
            with contextlib.suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
