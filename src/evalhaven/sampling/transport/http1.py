"""One connection to an HTTP/1.1 server: a request goes out, a whole reply comes in.

The parser is llhttp's (`httptools`), as in the server. What is accepted is what a model endpoint may send: replies of
a length, in chunks or until the connection ends, plain or compressed with gzip or deflate, of a bounded size.
"""

import asyncio
import socket
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

import httptools

_MAX_HEAD_BYTES = 256 * 1024
_MAX_FIELDS = 1000
_MAX_FRAMING_BYTES = 1024 * 1024  # what a reply may have beside its body: its head, sizes of chunks, trailers
_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32  # zlib finds out which of the two it is
_PROBES = {"TCP_KEEPIDLE": 45, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # seconds, seconds, probes
_MB = 1_000_000
_TOLD_BYTES = 4096  # more than is shown: whoever shows it hides secrets first, which must not be cut in halves


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What a server answered.

    Attributes:
        status: The status code.
        headers: Values by lower-case name; values of a repeated name are joined by a comma.
        body: The body, uncompressed.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


TransportErrorKind = Literal["connect", "timeout", "broken", "malformed", "too_large"]


class TransportError(Exception):
    """A request got no reply. The message names host and port, never a header, a path or a body that was sent.

    Attributes:
        kind: `connect`: the request was not sent. `timeout`: its time is over. `broken`: the connection ended before
            the reply did. `malformed`: what came is not HTTP, or cannot be uncompressed. `too_large`: the reply is
            larger than is accepted.
    """

    def __init__(self, kind: TransportErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: TransportErrorKind = kind


def _keep_alive(connected: socket.socket) -> None:
    """Let the system probe a silent peer: models think for minutes, and routers forget silent connections sooner."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):  # not every system lets a connection have its own
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class UnansweredError(Exception):
    """A connection ended before any byte of a reply came: if it was an old one, the server had enough of it."""


class _Inflater:
    """Uncompresses a body part by part, up to a bound."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_ZLIB_OR_GZIP)

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    def inflate(self, data: bytes, room: int) -> bytes:
        """Return a part uncompressed, but not more than there is room for.

        Raises:
            zlib.error: It is neither gzip nor zlib.
        """
        parts: list[bytes] = []
        while data and room > 0:
            if self._stream.eof:  # gzip may come in several members
                self._stream = zlib.decompressobj(_ZLIB_OR_GZIP)
            parts.append(self._stream.decompress(data, room))
            room -= len(parts[-1])
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        return b"".join(parts)


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time.

    Attributes:
        is_reusable: Whether another request may be sent.
        idle_since: When its last reply was complete, by the clock of the loop.
    """

    def __init__(self, peer: str, max_reply_bytes: int, on_lost: Callable[["Connection"], None]) -> None:
        """Make a connection that is not open yet.

        Args:
            peer: Host and port, for messages.
            max_reply_bytes: The largest body that is accepted, uncompressed.
            on_lost: Called once, when the connection has ended.
        """
        self.is_reusable = False
        self.idle_since = 0.0
        self._peer = peer
        self._max_reply_bytes = max_reply_bytes
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._reply: asyncio.Future[HttpReply] | None = None
        self._begin()
        self._received_bytes = 0

    def _begin(self) -> None:
        """Forget the last reply."""
        self._fields: list[tuple[bytes, bytes]] = []
        self._headers: dict[str, str] = {}
        self._has_head = False
        self._ends_with_connection = False
        self._parts: list[bytes] = []
        self._body_bytes = 0
        self._inflater: _Inflater | None = None

    async def exchange(self, head: bytes, body: bytes) -> HttpReply:
        """Send a request and return its reply.

        A task that is cancelled here ends the connection, so that the server can stop too.

        Raises:
            UnansweredError: The connection ended without a byte of this reply.
            TransportError: There is no usable reply.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise UnansweredError
        self.is_reusable = False
        self._received_bytes = 0
        self._reply = self._loop.create_future()
        try:
            transport.writelines((head, body) if body else (head,))
            reply = await self._reply
        except BaseException:
            self.close()
            raise
        finally:
            self._reply = None
        if not self.is_reusable:
            self.close()
        return reply

    def close(self) -> None:
        """End the connection now, whatever is under way."""
        self.is_reusable = False
        if self._transport is not None:
            # Not close(): with TLS it waits for the server's good-bye, which may never come.
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport of an open connection."""
        self._transport = cast("asyncio.Transport", transport)
        _keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._reply is None or self._reply.done():  # Nobody asked for this.
            self.close()
            return
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            began = " ".join(data[:_TOLD_BYTES].decode("utf-8", "replace").split())
            self._fail("malformed", f"{self._peer} sent what is not HTTP/1.1 ({type(error).__name__}): {began}")
            return
        if self._reply.done():
            return
        if not self._has_head and self._received_bytes > _MAX_HEAD_BYTES:
            self._fail("too_large", f"{self._peer} sent headers of more than {_MAX_HEAD_BYTES // 1024} kB")
        elif self._received_bytes > self._max_reply_bytes + _MAX_FRAMING_BYTES:
            self._fail_too_large()

    def connection_lost(self, exc: Exception | None) -> None:
        """Complete or fail what is under way."""
        if self._has_head and self._ends_with_connection and exc is None:
            self.on_message_complete()
        self.is_reusable = False
        if self._reply is not None and not self._reply.done():
            if not self._received_bytes:
                self._reply.set_exception(UnansweredError())
            else:
                self._fail("broken", f"{self._peer} ended the connection before its reply was complete")
        self._on_lost(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Give the connection up when a reply begins that nobody asked for: the next request would get it."""
        if self._reply is None or self._reply.done():
            self.is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are dropped."""
        if not self._has_head:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Look at what the head says about the body."""
        self._has_head = True
        if len(self._fields) > _MAX_FIELDS:
            self._fail("too_large", f"{self._peer} sent more than {_MAX_FIELDS} headers")
            return
        headers = self._headers
        for name, value in self._fields:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        length = headers.get("content-length")
        if length is None:
            self._ends_with_connection = "transfer-encoding" not in headers
        elif int(length) > self._max_reply_bytes:  # llhttp has checked that it is a number
            self._fail_too_large()
        if (encoding := headers.get("content-encoding")) is None:
            return
        if encoding.lower() in {"gzip", "x-gzip", "deflate"}:
            self._inflater = _Inflater()
        elif encoding and encoding.lower() != "identity":
            self._fail_malformed("a compressed reply, though it was asked for a plain one")

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body, uncompressed."""
        if self._inflater is not None:
            try:
                # One byte too many is enough to know.
                data = self._inflater.inflate(data, self._max_reply_bytes + 1 - self._body_bytes)
            except zlib.error:
                self._fail_malformed("a reply that cannot be uncompressed")
                return
        self._body_bytes += len(data)
        if self._body_bytes > self._max_reply_bytes:
            self._fail_too_large()
        elif self._reply is not None and not self._reply.done():
            self._parts.append(data)

    def on_message_complete(self) -> None:
        """Hand the reply over, and keep the connection if the server does."""
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - informational; the reply itself is yet to come
            self._begin()
            return
        if self._reply is None or self._reply.done():
            return
        if self._inflater is not None and self._parts and not self._inflater.is_complete:
            self._fail_malformed("a compressed reply that is cut short")
            return
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._reply.set_result(HttpReply(status, self._headers, body))
        self._begin()
        # A reply that came before the whole request was sent leaves the rest of it on the connection.
        is_sent = self._transport is not None and self._transport.get_write_buffer_size() == 0
        self.is_reusable = is_sent and self._parser.should_keep_alive()
        self.idle_since = self._loop.time()

    def _fail_too_large(self) -> None:
        limit = f"{self._max_reply_bytes / _MB:g} MB"
        self._fail("too_large", f"{self._peer} sent a reply of more than {limit}")

    def _fail_malformed(self, what: str) -> None:
        coding, form = self._headers.get("content-encoding", ""), self._headers.get("content-type", "no content type")
        status = self._parser.get_status_code()
        self._fail("malformed", f"{self._peer} answered {status} ({form}, {coding}) with {what}")

    def _fail(self, kind: Literal["broken", "malformed", "too_large"], message: str) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(TransportError(kind, message))
        self.close()  # Now, since much more may come before the waiting task has its turn.
