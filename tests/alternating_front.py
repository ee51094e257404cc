"""A front for tests: each request to it goes to another server than the one before, in turn.

What its clients do to connections the servers see too: bytes pass as they are, in both directions.
"""

import asyncio
import contextlib
import itertools
import re
import threading
from collections.abc import Generator, Sequence

from tests.server import free_port

_BLOCK_BYTES = 65_536
# What begins a request on a connection that has been answered; a body that goes on after `100 Continue` does not.
_REQUEST = re.compile(rb"[A-Z]{3,7} [^ \r\n]+ HTTP/1\.[01]\r\n")
_END_TIMEOUT_S = 30


class AlternatingFront:
    """Listens on a port of its own while it runs; a server that refuses connections is passed over."""

    def __init__(self, ports: Sequence[int]) -> None:
        """Choose a port.

        Args:
            ports: Where the servers listen, or will.
        """
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._turns = itertools.cycle(ports)
        self._servers = len(ports)

    @contextlib.contextmanager
    def running(self) -> Generator["AlternatingFront"]:
        """Serve in a thread of its own."""
        loop = asyncio.new_event_loop()
        ending = asyncio.Event()
        has_begun = threading.Event()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._serve(has_begun, ending),))
        thread.start()
        try:
            assert has_begun.wait(_END_TIMEOUT_S)
            yield self
        finally:
            loop.call_soon_threadsafe(ending.set)
            thread.join(_END_TIMEOUT_S)
            loop.close()

    async def _serve(self, has_begun: threading.Event, ending: asyncio.Event) -> None:
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(_Connection(self, reader, writer).serve())
            connections.add(task)
            task.add_done_callback(connections.discard)

        listener = await asyncio.start_server(accept, "127.0.0.1", self.port)
        has_begun.set()
        await ending.wait()
        listener.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the server whose turn it is.

        Raises:
            ConnectionError: None of them accepts a connection.
        """
        for _ in range(self._servers):
            with contextlib.suppress(ConnectionError):
                return await asyncio.open_connection("127.0.0.1", next(self._turns))
        raise ConnectionRefusedError


class _Connection:
    """One client's connection; each of its requests has a connection to a server of its own."""

    def __init__(self, front: AlternatingFront, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._front = front
        self._reader = reader
        self._writer = writer
        self._server: asyncio.StreamWriter | None = None  # of the request under way
        self._answers: asyncio.Task[None] | None = None
        self._is_answered = False

    async def serve(self) -> None:
        """Pass on until either end closes."""
        try:
            with contextlib.suppress(ConnectionError):
                while block := await self._reader.read(_BLOCK_BYTES):
                    server = self._server
                    if server is None or (self._is_answered and _REQUEST.match(block)):
                        server = await self._change_server()
                    try:
                        server.write(block)
                        await server.drain()
                    except ConnectionError:
                        # It has refused the rest of the request, and may have said why.
                        await self._end_answers()
                        return
        finally:
            # A client that is gone is gone for the server, too, which may be in the midst of an answer.
            self._leave_server()
            self._writer.close()

    async def _change_server(self) -> asyncio.StreamWriter:
        self._leave_server()
        reader, writer = await self._front.connect()
        self._server, self._is_answered = writer, False
        self._answers = asyncio.get_running_loop().create_task(self._pass_answers(reader))
        return writer

    async def _end_answers(self) -> None:
        if self._answers is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._answers, _END_TIMEOUT_S)

    def _leave_server(self) -> None:
        if self._answers is not None:
            self._answers.cancel()
        if self._server is not None:
            self._server.close()

    async def _pass_answers(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while block := await reader.read(_BLOCK_BYTES):
                self._is_answered = True
                self._writer.write(block)
                await self._writer.drain()
        self._writer.close()
