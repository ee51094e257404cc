"""A server that sends exactly the bytes a test gives it, and keeps what it was sent."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

HEADERS = {"Authorization": "Bearer sk-made-up"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Return a reply with a length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Request:
    head: str
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split("\r\n", 1)[0]

    @property
    def headers(self) -> dict[str, str]:
        return {
            name.lower(): value for name, _, value in (line.partition(": ") for line in self.head.split("\r\n")[1:])
        }


@dataclass(slots=True)
class Peer:
    """A client's connection, as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "RawServer"

    async def read_head(self) -> str:
        """Read a head."""
        return (await self.reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")

    async def read(self) -> Request:
        """Read a request with its body."""
        head = await self.read_head()
        length = re.search(r"(?i)\r\ncontent-length: (\d+)", head)
        request = Request(head, await self.reader.readexactly(int(length[1])) if length else b"")
        self.server.requests.append(request)
        self.server.asked.set()
        return request

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def wait_for_end(self) -> None:
        """Wait until the client has closed."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.server.ended.set()

    def reset(self) -> None:
        """End the connection at once."""
        self.writer.transport.abort()


Behaviour = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class RawServer:
    port: int = 0
    connections: int = 0
    open: int = 0
    most_open: int = 0
    requests: list[Request] = field(default_factory=list[Request])
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1/chat/completions"


@asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncGenerator[RawServer]:
    """Serve on a free port; the behaviour is called once a connection, which ends when it returns."""
    raw = RawServer(scheme="https" if tls else "http")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw.connections += 1
        raw.connected.set()
        raw.open += 1
        raw.most_open = max(raw.most_open, raw.open)
        try:
            with contextlib.suppress(ConnectionError, EOFError, asyncio.CancelledError):
                await behaviour(Peer(reader, writer, raw))
        finally:
            raw.open -= 1
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        raw.tasks.add(task)
        task.add_done_callback(raw.tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls, backlog=2000)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for task in tuple(raw.tasks):
            task.cancel()
        await asyncio.gather(*raw.tasks, return_exceptions=True)


def answering(*replies: bytes) -> Behaviour:
    """Answer the requests of a connection with one reply each, then close it."""

    async def behave(peer: Peer) -> None:
        for each in replies:
            await peer.read()
            await peer.send(each)

    return behave


async def keep_answering(peer: Peer) -> None:
    """Answer every request, for as long as the client wants."""
    while True:
        await peer.read()
        await peer.send(OK)
