"""Connections: aiohttp's, with bounds on a head, and without anything left on them for the next request.

`Receiver` relies on a few attributes of aiohttp's class. That is why its version is bounded, and the tests of this
package exercise each of them.
"""

import asyncio
import errno
import functools
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientConnectionError, ClientRequest, ClientTimeout, StreamReader, TCPConnector, ThreadedResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from evalhaven.sampling.transport.interface import NOT_ALLOWED
from evalhaven.sampling.transport.mending import MendingParser
from evalhaven.sampling.transport.replies import TransportError

MAX_HEAD_BYTES = 256 * 1024
_MAX_FIELDS = MAX_HEAD_BYTES  # They are counted when all have arrived.
_SECOND_ADDRESS_S = 0.25
_PROBES = {"TCP_KEEPIDLE": 45, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # seconds, seconds, probes
_END = b"\r\n\r\n"
_BODILESS = frozenset({204, 304})


class Receiver(ResponseHandler):
    """A connection that counts received bytes, and accepts none that nobody asked for.

    Attributes:
        exchanges: How many requests were sent on it.
        received_bytes: Bytes received since the last one was sent.
        refused: What arrived when it could not be read any further.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.exchanges = 0
        self.received_bytes = 0
        self.refused = b""
        self._is_asked = False
        self._most_bytes: float = 0
        self._refuse: Callable[[bool], TransportError]
        self._mending: MendingParser
        self._message: Any = None
        self._body: StreamReader | None = None
        self._last = b""

    def expect(self, most_bytes: float, refuse: Callable[[bool], TransportError]) -> None:
        """Prepare for the reply to the request that is sent next.

        Args:
            most_bytes: How long the reply may be as it comes.
            refuse: Returns the error of one that is longer; told whether its head had come.
        """
        self.exchanges += 1
        self.received_bytes = 0
        self._most_bytes = most_bytes
        self._refuse = refuse
        self._message = self._body = None
        self._last = b""
        early, self._tail = self._tail, b""
        self._mending = MendingParser(self._make_parser)
        self._parser = self._mending
        self._is_asked = True
        if early:
            self.data_received(early)

    def finish(self) -> bool:
        """Expect nothing any more; return whether the reply was whole and nothing came after it."""
        self._is_asked = False
        message, body = self._message, self._body
        if message is None or (body is not None and not body.is_eof()) or self.should_close or self._mending.is_mended:
            return False
        if self.transport is None or self.transport.get_write_buffer_size():
            return False  # Part of the request is yet to be sent.
        if message.chunked:
            return self._last == _END
        length = 0 if message.code in _BODILESS else int(message.headers.get("Content-Length", 0))
        return self.received_bytes == self._mending.head_bytes + length

    def data_received(self, data: bytes) -> None:
        """Take a part of a reply."""
        if not self._is_asked:
            if not self.exchanges:
                self._receive_from_proxy(data)
            elif data:
                self.abort()  # The next request would take it for its reply.
            return
        if data:
            self.received_bytes += len(data)
            self._last = data[-4:] if len(data) >= len(_END) else (self._last + data)[-4:]
        super().data_received(data)
        if self._exception is not None:
            self.refused = data
            self.fail(self._exception)
        elif self.received_bytes > (MAX_HEAD_BYTES if self._message is None else self._most_bytes):
            self.fail(self._refuse(self._message is not None))

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on where reading was paused; aiohttp would parse nothing once more after each read."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Hand a head on, with its body as it comes."""
        if data[0].code >= 200 and self._message is None:  # noqa: PLR2004 - the others are informational
            self._message, self._body = data
        super().feed_data(data, size)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Complete or fail what is under way."""
        body = self._body
        if body is not None and not body.is_eof() and exc is not None:
            # Without a length, aiohttp takes a reset for the end of the body.
            body.set_exception(ClientConnectionError())
        super().connection_lost(exc)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(ClientConnectionError())

    def fail(self, error: BaseException) -> None:
        """End the connection at once, whatever is still to be sent, and tell those who wait why."""
        self.abort()
        self.set_exception(error)
        if self._body is not None and not self._body.is_eof():
            self._body.set_exception(error)

    def _receive_from_proxy(self, data: bytes) -> None:
        """Take the answer to the request for a tunnel; nothing comes after its head before we have spoken."""
        if _END in data and not data.endswith(_END):
            self.fail(HttpProcessingError(code=200, message=""))
        else:
            super().data_received(data)

    def _make_parser(self) -> Any:
        self.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            max_headers=_MAX_FIELDS,
        )
        return self._parser


class Way(ClientRequest):
    """Where requests go, for aiohttp's connector; it asks for the key of each one."""

    @functools.cached_property
    def connection_key(self) -> ConnectionKey:  # pyright: ignore[reportIncompatibleMethodOverride] - it never changes
        """Return what connections are shared by."""
        return super().connection_key


class Connector(TCPConnector):
    """The open connections, and how to make more."""

    def __init__(
        self, connect_timeout_s: float, max_idle_s: float, may_connect: Callable[[str], bool] | None = None
    ) -> None:
        """Connect to nothing yet.

        Args:
            connect_timeout_s: How long a connection may take in all: name, every address, proxy and TLS.
            max_idle_s: How long an unused connection is kept.
            may_connect: Tells whether a connection to an address may be made; None: to any.
        """
        loop = asyncio.get_running_loop()
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - its type of an address is half open
            limit=0,  # The senders of requests limit them.
            keepalive_timeout=max_idle_s,
            happy_eyeballs_delay=_SECOND_ADDRESS_S,
            resolver=ThreadedResolver(),
            socket_factory=_open_socket if may_connect is None else functools.partial(_open_allowed, may_connect),
        )
        self._factory = functools.partial(Receiver, loop)
        # `sock_connect` would count anew for each address.
        self._timeout = ClientTimeout(total=None, connect=connect_timeout_s)

    def open(self, way: Way) -> Awaitable[Connection]:
        """Return a connection: one that is kept, else a new one."""
        return self.connect(way, [], self._timeout)


class RefusedAddressError(OSError):
    """Connections to an address are not made."""

    def __init__(self) -> None:
        # The same for each address of a name: what is said of several different ones is lost on the way.
        super().__init__(errno.EACCES, NOT_ALLOWED)


def _open_allowed(may_connect: Callable[[str], bool], address: Any) -> socket.socket:
    # Asked of the very address that is connected to, whatever its name meant a moment ago.
    if not may_connect(str(address[4][0])):
        raise RefusedAddressError
    return _open_socket(address)


def _open_socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    # Models think for minutes, and routers forget silent connections sooner, so the system probes a silent peer.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):  # Not every system can set these for one connection.
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return opened
