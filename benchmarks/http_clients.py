"""The HTTP clients that `benchmarks.transports` compares: each sends the same request over and over."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from evalhaven.sampling.transport.client import TransportOptions, open_transport

PATH = "/v1/chat/completions"
_BODY = json.dumps(
    {"model": "mock-1", "messages": [{"role": "user", "content": f"{'my monitor stays black ' * 22}\nANSWER: yes"}]}
).encode()
_HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer sk-made-up"}

Send = Callable[[], Awaitable[bytes]]
Client = Callable[[str, Path, int], AbstractAsyncContextManager[Send]]  # of URL, authority and requests in flight


@asynccontextmanager
async def _evalhaven(url: str, ca_file: Path, in_flight: int) -> AsyncGenerator[Send]:
    del in_flight
    async with open_transport(TransportOptions(ca_file=ca_file)) as transport:

        async def send() -> bytes:
            return (await transport.post(url, _HEADERS, _BODY, 60)).body

        yield send


class _FloorProtocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.reply: asyncio.Future[bytes]
        self.transport: Any = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n") + 4
        start = self._received.find(b"Content-Length: ") + 16
        if end > 3 and len(self._received) >= end + int(self._received[start : self._received.find(b"\r", start)]):
            self.reply.set_result(self._received[end:])
            self._received = b""


@asynccontextmanager
async def _floor(url: str, ca_file: Path, in_flight: int) -> AsyncGenerator[Send]:
    del in_flight
    loop = asyncio.get_running_loop()
    port = int(url.split(":")[2].split("/", maxsplit=1)[0])
    tls = ssl.create_default_context(cafile=str(ca_file)) if url.startswith("https") else None
    lines = "".join(f"{name}: {value}\r\n" for name, value in _HEADERS.items())
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {len(_BODY)}\r\n\r\n".encode()
    idle: list[_FloorProtocol] = []

    async def send() -> bytes:
        if idle:
            connection = idle.pop()
        else:
            _, connection = await loop.create_connection(
                _FloorProtocol, "127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None
            )
        connection.reply = loop.create_future()
        connection.transport.write(head + _BODY)
        reply = await connection.reply
        idle.append(connection)
        return reply

    yield send


def _read(ca_file: Path) -> bytes:
    return ca_file.read_bytes()


@asynccontextmanager
async def _pyreqwest(url: str, ca_file: Path, in_flight: int) -> AsyncGenerator[Send]:
    builder = import_module("pyreqwest.client").ClientBuilder().http1_only().max_connections(in_flight).no_proxy()
    builder = builder.add_root_certificate_pem(_read(ca_file)).follow_redirects(False)
    async with builder.build() as client:

        async def send() -> bytes:
            reply = await client.post(url).headers(_HEADERS).body_bytes(_BODY).build().send()
            return bytes(await reply.bytes())

        yield send


@asynccontextmanager
async def _wreq(url: str, ca_file: Path, in_flight: int) -> AsyncGenerator[Send]:
    del in_flight
    wreq = import_module("wreq")
    store = import_module("wreq.tls").CertStore.from_pem_stack(_read(ca_file))
    client = wreq.Client(http1_only=True, tls_verify=store, no_proxy=True)

    async def send() -> bytes:
        reply = await client.post(url, body=_BODY, headers=_HEADERS)
        return bytes(await reply.bytes())

    yield send


@asynccontextmanager
async def _aiohttp(url: str, ca_file: Path, in_flight: int) -> AsyncGenerator[Send]:
    aiohttp = import_module("aiohttp")
    tls = ssl.create_default_context(cafile=str(ca_file))
    connector = aiohttp.TCPConnector(limit=in_flight, ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send() -> bytes:
            async with session.post(url, data=_BODY, headers=_HEADERS, allow_redirects=False) as reply:
                return await reply.read()

        yield send


@asynccontextmanager
async def _niquests(url: str, ca_file: Path, in_flight: int) -> AsyncGenerator[Send]:
    session = import_module("niquests").AsyncSession(pool_maxsize=in_flight, disable_http2=True, disable_http3=True)
    async with session:

        async def send() -> bytes:
            return (await session.post(url, data=_BODY, headers=_HEADERS, verify=str(ca_file))).content

        yield send


@asynccontextmanager
async def _httpx(url: str, ca_file: Path, in_flight: int) -> AsyncGenerator[Send]:
    httpx = import_module("httpx")
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    tls = ssl.create_default_context(cafile=str(ca_file))
    async with httpx.AsyncClient(limits=limits, timeout=60, verify=tls, trust_env=False) as client:

        async def send() -> bytes:
            return (await client.post(url, content=_BODY, headers=_HEADERS)).content

        yield send


CLIENTS: dict[str, Client] = {
    "floor": _floor,
    "evalhaven": _evalhaven,
    "pyreqwest": _pyreqwest,
    "wreq": _wreq,
    "aiohttp": _aiohttp,
    "niquests": _niquests,
    "httpx": _httpx,
}
