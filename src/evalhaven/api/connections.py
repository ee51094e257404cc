"""Limits on connections: how long a request may take to arrive, how large its head may be, how slow a reader may be.

uvicorn bounds idle connections only, so its protocol is extended: each connection is checked once a second. Without
this a few thousand connections that send a byte now and then would occupy the server for good.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TICK_S = 1.0
_BODY_BYTES_A_SECOND = 4096
_STUCK_WRITE_S = 60.0
# What arrives is parsed in pieces, so a head that is too large is noticed one piece late at most.
_PIECE_BYTES = 16 * 1024
CUT = "evalhaven.cut"
"""Extension of a request's scope: its `cut()` ends the connection once what was sent so far is on its way."""

_ABSOLUTE = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take.

    Attributes:
        header_timeout_s: Seconds from the first byte (or the opening) to the end of the head.
        body_grace_s: Seconds that a body may take beyond the time it needs at 4 kB a second.
        head_bytes: Largest request line and headers together.
        most: How many connections there may be; those beyond are closed at once. None for any number.
    """

    header_timeout_s: float = 10.0
    body_grace_s: float = 30.0
    head_bytes: int = 64 * 1024
    most: int | None = None


class _HeadTooLargeError(Exception):
    """Stops the parser once a request has been refused."""


class GuardedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits; `guarded_protocol` makes the class for given limits."""

    limits = ConnectionLimits()
    new_request_id: Callable[[], str]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first head."""
        super().connection_made(transport)
        self._head_started: float | None = self.loop.time()
        self._head_bytes = 0
        self._head_size = 0
        self._is_between_requests = False
        self._is_reading_body = False
        self._body_seconds = 0.0
        self._body_bytes = 0
        self._trailer_bytes = 0
        self._refusal: bytes | None = None
        self._declined = b""
        self._unsent = 0
        self._write_stuck_s = 0.0
        self._tick = self.loop.call_later(_TICK_S, self._look)
        if self.limits.most is not None and len(self.connections) > self.limits.most:
            # Each one holds a file open: with none left, the database and uploads would fail, too.
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop checking the connection."""
        self._tick.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what arrives, and pass it on."""
        for start in range(0, len(data), _PIECE_BYTES):
            if self._refusal is not None or self.transport.is_closing():
                return
            self._take(data[start : start + _PIECE_BYTES])

    def _take(self, piece: bytes) -> None:
        if self._is_between_requests:
            self._begin_head()
        if self._head_started is not None:
            self._head_bytes += len(piece)
        else:
            self._body_bytes += len(piece)
        self._unset_keepalive_if_required()
        self._parse(piece)
        if self._head_started is not None and self._head_bytes > self.limits.head_bytes:
            self._refuse_head()
        elif self._trailer_bytes > self.limits.head_bytes:
            self._refuse(431, "The trailers of the request are too large.")

    def _parse(self, piece: bytes) -> None:
        while piece:
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as offer:
                # The parser takes what follows for the other protocol.
                self.parser = httptools.HttpRequestParser(self)
                piece, self._declined = self._declined + piece[offer.args[0] :], b""
            except httptools.HttpParserError:
                self._refuse(400, "This is not an HTTP request: it is malformed, or its length is not clear.")
                return
            else:
                return

    def on_message_begin(self) -> None:
        """Start waiting for the head, which may arrive together with the end of the previous request."""
        super().on_message_begin()
        self._head_size = 0
        if self._is_between_requests:
            self._begin_head()

    def on_url(self, url: bytes) -> None:
        """Count the received bytes of the target."""
        self._head_size += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer, which nothing here reads, is only counted."""
        size = len(name) + len(value) + len(": \r\n")
        if self._is_reading_body:
            self._trailer_bytes += size
        else:
            self._head_size += size
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start waiting for the body.

        Raises:
            _HeadTooLargeError: The whole head has arrived and is too large.
        """
        if self._head_size > self.limits.head_bytes:
            self._refuse_head()
            raise _HeadTooLargeError
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._decline_upgrade()
            return
        if absolute := _ABSOLUTE.match(self.url):
            self._take_host_from_target(absolute)
        self.scope["extensions"] = {CUT: {"cut": self.transport.close}}
        super().on_headers_complete()
        self._head_started, self._is_between_requests = None, False
        self._is_reading_body, self._body_seconds, self._body_bytes, self._trailer_bytes = True, 0.0, 0, 0

    def on_message_complete(self) -> None:
        """Start waiting for the next request; uvicorn limits for how long."""
        if self._declined:
            return
        self._is_reading_body, self._is_between_requests = False, True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or end the connection with its refusal."""
        super().on_response_complete()
        if self._refusal is not None:
            self._send_refusal(self._refusal)

    def _begin_head(self) -> None:
        self._is_between_requests, self._head_started, self._head_bytes = False, self.loop.time(), 0

    def _decline_upgrade(self) -> None:
        """Keep the head without its offer of another protocol (h2c, as Java's client makes it), to be parsed anew."""
        kept = [(name, value) for name, value in self.headers if name not in (b"upgrade", b"connection")]
        if not self.parser.should_keep_alive():
            kept.append((b"connection", b"close"))
        line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self._declined = b"\r\n".join([line, *(b"%s: %s" % header for header in kept), b"", b""])

    def _take_host_from_target(self, absolute: re.Match[bytes]) -> None:
        """Use the host of `GET http://host/path` instead of the header, as HTTP demands (RFC 9112, 3.2.2)."""
        host = (b"host", absolute[1])
        # In place: the scope holds this very list.
        self.headers[:] = [host if name == b"host" else (name, value) for name, value in self.headers]
        if host not in self.headers:
            self.headers.append(host)
        rest = self.url[absolute.end() :]
        self.url = rest if rest.startswith(b"/") else b"/" + rest

    def _look(self) -> None:
        # Until the connection is lost: even a closing one may have a reader that never reads.
        self._tick = self.loop.call_later(_TICK_S, self._look)
        unsent = self.transport.get_write_buffer_size()
        is_stuck = unsent > 0 and unsent >= self._unsent
        self._write_stuck_s = self._write_stuck_s + _TICK_S if is_stuck else 0.0
        self._unsent = unsent
        if self._write_stuck_s > _STUCK_WRITE_S:
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self._is_head_late():
            self._refuse(408, "The headers of the request did not arrive in time.")
        elif self._is_body_late():
            self._refuse(408, "The body of the request did not arrive in time.")

    def _is_head_late(self) -> bool:
        if self._head_started is not None and self.flow.read_paused:
            # While we do not read ourselves, the client is not the slow side.
            self._head_started = self.loop.time()
        started = self._head_started
        return started is not None and self.loop.time() - started > self.limits.header_timeout_s

    def _is_body_late(self) -> bool:
        if not self._is_reading_body or self.flow.read_paused:
            return False
        self._body_seconds += _TICK_S
        return self._body_seconds > self.limits.body_grace_s + self._body_bytes / _BODY_BYTES_A_SECOND

    def _refuse_head(self) -> None:
        self._refuse(431, f"The request line and headers are over {self.limits.head_bytes // 1024} kB.")

    def _refuse(self, status: int, message: str) -> None:
        if self._refusal is None:
            self._refusal = _refusal(status, message, self.new_request_id())
            self._send_refusal(self._refusal)

    def _send_refusal(self, refusal: bytes) -> None:
        """Refuse the request that is being read and end the connection; requests before it are answered first."""
        cycle: Any = self.cycle
        is_due = cycle is not None and not cycle.response_complete
        if self.pipeline or (is_due and not self._is_reading_body):
            return
        is_answering = cycle is not None and cycle.response_started and self._is_reading_body
        if not self.transport.is_closing() and not is_answering:
            self.transport.write(refusal)
        self.transport.close()


def guarded_protocol(limits: ConnectionLimits, new_request_id: Callable[[], str]) -> type[asyncio.Protocol]:
    """Return the protocol class with these limits: uvicorn makes the instances."""
    attributes = {"limits": limits, "new_request_id": staticmethod(new_request_id)}
    return type("LimitedHttpProtocol", (GuardedHttpProtocol,), attributes)


def _refusal(status: int, message: str, request_id: str) -> bytes:
    reason = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
    body = f'{{"error":{{"message":"{message}","type":"invalid_request_error","param":null,"code":null}}}}'
    # Only a request that came too slowly can succeed on another attempt.
    retry = "true" if status == 408 else "false"  # noqa: PLR2004 - Request Timeout
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    head += f"x-request-id: {request_id}\r\nx-should-retry: {retry}\r\nconnection: close\r\n"
    return f"{head}\r\n{body}".encode()
