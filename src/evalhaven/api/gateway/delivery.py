"""The way of an answer to the client: each part at once, a cut that shows, and the copy that is kept."""

import re
from collections.abc import Callable, Mapping
from time import perf_counter

from starlette.types import Scope, Send

from evalhaven.api.connections import CUT
from evalhaven.api.gateway.hang_ups import WhileConnected
from evalhaven.api.gateway.headers import is_stream, plain_length, reply_headers
from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.masking import Secrets
from evalhaven.sampling.transport.replies import StreamedReply, TransportError

_LAST_OF_RESPONSE = re.compile(rb"(?:^|\n)event: ?response\.(?:completed|incomplete|failed)\r?\n")
_LAST_OF_CHAT = b"data: [DONE]"
_MAY_BE_LAST = re.compile(rb"\[DONE\]|response\.(?:completed|incomplete|failed)")


class Delivery:
    """An answer on its way.

    Attributes:
        first_byte_at: When the first byte of its body came, by `perf_counter`; None before.
        has_begun: Whether its head was sent.
        is_streamed: Whether it is server-sent events.
        copy: What the client was sent, if a copy is wanted and it is not too large.
        is_too_large: Whether a copy was wanted, and is too large.
    """

    def __init__(
        self,
        scope: Scope,
        send: Send,
        client: WhileConnected,
        kind: CallKind | None,
        most_kept_bytes: int,
        on_whole: Callable[[], None],
    ) -> None:
        """Send nothing yet.

        Args:
            scope: Of the request.
            send: Sends to the client; it waits while the client reads slowly.
            client: Tells when it hangs up.
            kind: Of the call; None for embeddings.
            most_kept_bytes: The largest answer of which a copy is kept; 0 for none.
            on_whole: Called once, before the client gets the end of a whole answer: it may ask for the call at once.
        """
        self._kind = kind
        self._on_whole = on_whole
        self._is_told = False
        self._scope = scope
        self._send = send
        self._client = client
        self._most_kept_bytes = most_kept_bytes
        self._kept_bytes = 0
        self._length: int | None = None
        self.first_byte_at: float | None = None
        self.has_begun = self.is_streamed = False
        self.copy: list[bytes] | None = [] if most_kept_bytes else None
        self.is_too_large = False

    async def send_reply(self, reply: StreamedReply, secrets: Secrets) -> None:
        """Send a reply as it comes.

        Raises:
            TransportError: The reply was cut off; the client knows nothing of it yet.
        """
        self._length = plain_length(reply.headers)
        self.is_streamed = is_stream(reply.headers)
        await self._start(reply.status, reply_headers(reply.headers, secrets, self._length))
        send = self._send
        async for part in reply.parts:
            if self.first_byte_at is None:
                self.first_byte_at = perf_counter()
            self._keep(part)
            if self.copy is not None and (not self.is_streamed or _MAY_BE_LAST.search(part)) and self.is_whole():
                self.tell_whole()
            await send({"type": "http.response.body", "body": part, "more_body": True})
        self.tell_whole()
        await self._finish(b"")

    async def send_failure(self, status: int, headers: Mapping[str, str], body: bytes, secrets: Secrets) -> None:
        """Send the failure of an endpoint, without what it may not show."""
        shown = secrets.hide_in(body)
        await self._start(status, reply_headers(headers, secrets, len(shown)))
        await self._finish(shown)

    async def cut(self) -> None:
        """End the connection, so that nobody takes what was sent for a whole answer; does not return.

        Raises:
            asyncio.CancelledError: The connection has ended.
        """
        self._scope["extensions"][CUT]["cut"]()
        await self._client.wait_until_gone()

    def tell_whole(self) -> None:
        """Tell that the answer is whole, unless that was told."""
        if not self._is_told:
            self._is_told = True
            self._on_whole()

    def is_whole(self) -> bool:
        """Tell whether the client has the whole answer, though the connection of one side ended early.

        Many clients hang up as soon as they have read the last event.
        """
        if self.copy is None:
            return False
        if not self.is_streamed:
            return self._length is not None and self._length == self._kept_bytes
        text = b"".join(self.copy).rstrip()
        if self._kind is CallKind.CHAT:
            return text.endswith(_LAST_OF_CHAT)
        begins = max(text.rfind(b"\n\n"), text.rfind(b"\r\n\r\n"), 0)
        return _LAST_OF_RESPONSE.search(text, begins) is not None

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _finish(self, body: bytes) -> None:
        self._client.end()
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _keep(self, part: bytes) -> None:
        if self.copy is not None:
            self._kept_bytes += len(part)
            if self._kept_bytes > self._most_kept_bytes:
                self.copy, self.is_too_large = None, True
            else:
                self.copy.append(part)


async def read_whole(reply: StreamedReply, most_bytes: int) -> bytes:
    """Return the body of a reply.

    Raises:
        TransportError: It was cut off, or is larger.
    """
    parts: list[bytes] = []
    size_bytes = 0
    async for part in reply.parts:
        size_bytes += len(part)
        if size_bytes > most_bytes:
            raise TransportError("too_large", f"it sent a body of more than {most_bytes // 1_000_000} MB")
        parts.append(part)
    return b"".join(parts)
