"""Limits on connections: how long a request may take to arrive, how large its head may be, how slow a reader.

uvicorn bounds idle connections only, so its protocol is extended: once a second each connection is looked at. Without
this a few thousand connections that send a byte now and then would occupy the server for good.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TICK_S = 1.0
_BODY_BYTES_A_SECOND = 4096
_STUCK_WRITE_S = 60.0


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may take.

    Attributes:
        header_timeout_s: Seconds from the first byte (or the opening) to the end of the head.
        body_grace_s: Seconds that a body may take beyond the time it needs at 4 kB a second.
        head_bytes: Largest request line and headers together.
    """

    header_timeout_s: float = 10.0
    body_grace_s: float = 30.0
    head_bytes: int = 64 * 1024


class GuardedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits; `guarded_protocol` makes the class for given ones."""

    limits = ConnectionLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._head_started: float | None = self.loop.time()
        self._head_bytes = 0
        self._is_between_requests = False
        self._is_reading_body = False
        self._body_seconds = 0.0
        self._body_bytes = 0
        self._trailer_bytes = 0
        self._unsent = 0
        self._write_stuck_s = 0.0
        self._tick = self.loop.call_later(_TICK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        self._tick.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what arrives, and pass it on."""
        if self._is_between_requests:
            self._is_between_requests, self._head_started, self._head_bytes = False, self.loop.time(), 0
        if self._head_started is not None:
            self._head_bytes += len(data)
        else:
            self._body_bytes += len(data)
        super().data_received(data)
        if self._head_started is not None and self._head_bytes > self.limits.head_bytes:
            self._refuse(431, "The request line and headers are too large.")
        elif self._trailer_bytes > self.limits.head_bytes:
            self._refuse(431, "The trailers of the request are too large.")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request; uvicorn's own words for it are plain text."""
        self._refuse(400, f"{msg} It is malformed, or its length is not clear.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer, which nothing here reads, is only counted."""
        if self._is_reading_body:
            self._trailer_bytes += len(name) + len(value)
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body."""
        # The head may have come in one block with the end of the request before.
        self._head_started, self._is_between_requests = None, False
        self._is_reading_body, self._body_seconds, self._body_bytes, self._trailer_bytes = True, 0.0, 0, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Begin to wait for the next request; uvicorn bounds how long."""
        self._is_reading_body, self._is_between_requests = False, True
        super().on_message_complete()

    def _look(self) -> None:
        # Until the connection is lost: one that is closing may still have a reader that never reads.
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
        started = self._head_started
        return started is not None and self.loop.time() - started > self.limits.header_timeout_s

    def _is_body_late(self) -> bool:
        # While we ourselves do not read, the client is not the slow one.
        if not self._is_reading_body or self.flow.read_paused:
            return False
        self._body_seconds += _TICK_S
        return self._body_seconds > self.limits.body_grace_s + self._body_bytes / _BODY_BYTES_A_SECOND

    def _refuse(self, status: int, message: str) -> None:
        cycle: Any = self.cycle
        is_answering = cycle is not None and cycle.response_started and not cycle.response_complete
        if not self.transport.is_closing() and not is_answering:
            self.transport.write(_refusal(status, message))
        self.transport.close()


def guarded_protocol(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """Return the protocol class with these limits: uvicorn makes the instances."""
    return type("LimitedHttpProtocol", (GuardedHttpProtocol,), {"limits": limits})


def _refusal(status: int, message: str) -> bytes:
    reason = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
    body = f'{{"error":{{"message":"{message}","type":"invalid_request_error","param":null,"code":null}}}}'
    # Only what came too slowly can fare better the next time.
    retry = "true" if status == 408 else "false"  # noqa: PLR2004 - Request Timeout
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    head += f"x-request-id: req_{uuid4().hex}\r\nx-should-retry: {retry}\r\nconnection: close\r\n"
    return f"{head}\r\n{body}".encode()
