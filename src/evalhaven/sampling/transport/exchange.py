"""One request on one connection, and its reply: whole, or part by part as it comes."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from aiohttp import ClientError, StreamReader
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from evalhaven.sampling.transport.codings import CodingError, Decoder, find_decoder
from evalhaven.sampling.transport.connections import MAX_HEAD_BYTES, Receiver
from evalhaven.sampling.transport.replies import TransportError

_MAX_FIELDS = 1000
_MAX_FRAMING_BYTES = 1024 * 1024  # what a reply may have beside its body: its head, sizes of chunks, trailers
_WRITTEN_AT_ONCE_BYTES = 64 * 1024
_STATUSES = range(200, 1000)
_SWITCHING = 101
_TOLD_BYTES = 4096  # more than is shown: secrets are hidden before it is shown, and must not be cut in half
_MB = 1_000_000


class UnansweredError(Exception):
    """A connection ended before any byte of a reply came: if it was an old one, the server had closed it."""


class Exchange:
    """A request that is sent, and its reply.

    Attributes:
        status: The status code.
        headers: Values by lower-case name; values of a repeated name are joined by a comma.
    """

    __slots__ = ("_body", "_connection", "_decoder", "_is_delimited", "_most_bytes", "_peer", "_receiver", "headers",
                 "status")  # fmt: skip

    def __init__(self, connection: Connection, peer: str, most_bytes: float) -> None:
        """Send nothing yet.

        Args:
            connection: Where it is sent.
            peer: Host and port, for messages.
            most_bytes: The largest body that is accepted, uncompressed.
        """
        receiver = connection.protocol
        assert isinstance(receiver, Receiver)  # noqa: S101 - the connector makes no others
        self._connection = connection
        self._receiver = receiver
        self._peer = peer
        self._most_bytes = most_bytes
        self._body: StreamReader
        self._decoder: Decoder | None = None
        self._is_delimited = False
        self.status = 0
        self.headers: dict[str, str] = {}

    @property
    def is_kept(self) -> bool:
        """Tell whether the connection was used before."""
        return self._receiver.exchanges > 0

    async def send(self, head: bytes, body: bytes) -> None:
        """Send a request and wait for the head of its reply.

        Raises:
            UnansweredError: The connection ended before any byte of a reply came.
            TransportError: The request got no reply.
        """
        receiver = self._receiver
        transport = receiver.transport
        if transport is None:
            raise UnansweredError
        receiver.expect(self._most_bytes + _MAX_FRAMING_BYTES, self._too_long)
        if len(body) > _WRITTEN_AT_ONCE_BYTES:
            transport.write(head)
            transport.write(body)
        else:
            transport.write(head + body)
        error: Exception
        try:
            while True:
                message, self._body = await receiver.read()
                if message.code >= _STATUSES.start or message.code == _SWITCHING or not message.code:
                    break
        except TransportError:
            raise
        except (ClientError, HttpProcessingError, OSError) as caught:
            # Raised below: its own message may hold what was sent.
            error = self._error_of(caught) if receiver.received_bytes else UnansweredError()
        else:
            return self._take_head(message)
        raise error

    async def read(self) -> bytes:
        """Return the body.

        Raises:
            TransportError: The body is too large, does not arrive, or cannot be decoded.
        """
        parts: list[bytes] = []
        size_bytes = 0
        while data := await self._read_part():
            for part in (data,) if self._decoder is None else self._decode(data):
                size_bytes += len(part)
                if size_bytes > self._most_bytes:
                    raise self._too_long(True)
                parts.append(part)
        self._finish_decoding()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def parts(self, silence_s: float) -> AsyncGenerator[bytes]:
        """Yield the body as it comes.

        Args:
            silence_s: How long to wait for each part.

        Raises:
            TransportError: The body is cut off, nothing comes for too long, or it cannot be decoded.
        """
        while True:
            timeout = asyncio.timeout(silence_s)
            try:
                async with timeout:
                    data = await self._read_part()
            except TimeoutError:
                data = None
            if data is None:
                raise TransportError("timeout", f"{self._peer} sent nothing for {silence_s:g} seconds")
            if not data:
                self._finish_decoding()
                return
            if self._decoder is None:
                yield data
            else:
                for part in self._decode(data):
                    yield part

    def end(self) -> None:
        """Keep the connection if nothing is left on it, else end it at once."""
        if self._receiver.finish():
            self._connection.release()
        else:
            self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self._receiver.abort()
        self._connection.close()

    async def _read_part(self) -> bytes:
        """Return what has arrived of the body, at least one byte; empty at its end."""
        body = self._body
        error: TransportError
        try:
            if body.is_eof() and body.exception() is None:
                return body.read_nowait()
            return await body.readany()
        except TransportError:
            raise
        except (ClientError, HttpProcessingError, OSError, RuntimeError) as caught:
            # aiohttp's stream raises a RuntimeError if its connection is closed already.
            error = self._error_of(caught)
        raise error

    def _take_head(self, message: Any) -> None:
        if message.code not in _STATUSES:
            raise TransportError("malformed", f"{self._peer} answered with the status {message.code}")
        if len(message.raw_headers) > _MAX_FIELDS:
            raise TransportError("too_large", f"{self._peer} sent more than {_MAX_FIELDS} headers")
        self.status = message.code
        headers = self.headers
        for name, value in message.raw_headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            if key not in headers:
                headers[key] = text
            elif key != "content-encoding" or headers[key] != text:  # A coding named twice was applied once.
                headers[key] = f"{headers[key]}, {text}"
        length = headers.get("content-length", "")
        self._is_delimited = message.chunked or bool(length)
        if length.isdigit() and int(length) > self._most_bytes:
            raise self._too_long(True)
        applied = [headers[name] for name in ("content-encoding", "transfer-encoding") if name in headers]
        if applied and applied != ["chunked"]:
            try:
                self._decoder = find_decoder(",".join(applied))
            except CodingError as error:
                raise self._undecodable(error) from None

    def _decode(self, data: bytes) -> Iterable[bytes]:
        assert self._decoder is not None  # noqa: S101 - asked by both callers
        try:
            yield from self._decoder.decode(data)
        except CodingError as error:
            raise self._undecodable(error) from None

    def _finish_decoding(self) -> None:
        if self._decoder is not None:
            try:
                self._decoder.finish(is_delimited=self._is_delimited)
            except CodingError as error:
                raise self._undecodable(error) from None

    def _undecodable(self, error: CodingError) -> TransportError:
        coding = self.headers.get("content-encoding") or self.headers.get("transfer-encoding", "")
        came = f"{self.status} ({self.headers.get('content-type', 'no content type')}, {coding})"
        return TransportError("malformed", f"{self._peer} answered {came} with a reply {error}")

    def _too_long(self, has_head: bool) -> TransportError:
        if not has_head:
            return TransportError("too_large", f"{self._peer} sent headers of more than {MAX_HEAD_BYTES // 1024} kB")
        return TransportError("too_large", f"{self._peer} sent a reply of more than {self._most_bytes / _MB:g} MB")

    def _error_of(self, caught: Exception) -> TransportError:
        if isinstance(caught, HttpProcessingError):
            if isinstance(caught.__cause__, LineTooLong):
                return self._too_long(False)
            began = " ".join(self._receiver.refused[:_TOLD_BYTES].decode("utf-8", "replace").split())
            return TransportError("malformed", f"{self._peer} sent what is not HTTP/1.1: {began}")
        return TransportError("broken", f"{self._peer} ended the connection before its reply was complete")
