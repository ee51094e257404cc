"""What comes back from a host: treated as hostile until every part of it has been checked."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

import msgspec

from evalhaven.sandbox.limits import REPLY_BYTES

ErrorKind = Literal[
    "exception",
    "invalid_result",
    "timeout",
    "memory",
    "disk",
    "threads",
    "crashed",
    "protocol",
    "import",
    "stopped",
    "unavailable",
]
"""What can go wrong with a call."""

_KindFromHost = Literal["exception", "invalid_result", "memory", "disk", "threads", "import"]
_HEAD_BYTES = 4
_SECONDS_MAX = 1e6


class ProtocolError(Exception):
    """A host sent what no host of ours would send; the message says what."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one call.

    Attributes:
        score: A finite number; None: there is no score, and `error` says why.
        error: What went wrong; None: nothing.
        message: What the grader raised, with the lines of its source, or why its host was killed; "" without an error.
        output: What the call printed, up to the limit.
        seconds: How long the call took.
    """

    score: float | None
    error: ErrorKind | None
    message: str
    output: str
    seconds: float


class _Frame(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    number: int
    score: float | None
    error: _KindFromHost | None
    message: str
    output: str
    seconds: float


class ReplyReader:
    """Makes replies from the bytes that a host sends, which arrive in pieces of any size.

    Attributes:
        fault: How this host broke the protocol, after which nothing can be trusted; None: it has not.
    """

    def __init__(self, output_chars: int) -> None:
        """Expect no reply yet.

        Args:
            output_chars: How much of an output is kept.
        """
        self._output_chars = output_chars
        self.fault: str | None = None
        self._waiting = b""
        self._expected: deque[int] = deque()
        self._decode = msgspec.json.Decoder(_Frame).decode

    def expect(self, number: int) -> None:
        """Accept a reply with this number after all that were expected before."""
        self._expected.append(number)

    def read(self, received: bytes) -> list[Reply]:
        """Return the replies that are complete now; after a `fault` there are no more."""
        text = self._waiting + received if self._waiting else received
        start, size = 0, len(text)
        replies: list[Reply] = []
        try:
            while self.fault is None and (body := start + _HEAD_BYTES) <= size:
                length = int.from_bytes(text[start:body], "little")
                if length > REPLY_BYTES:
                    self.fault = f"a reply of {length} bytes was announced; {REPLY_BYTES} are allowed"
                elif (end := body + length) <= size:
                    replies.append(self._check(text[body:end]))
                    start = end
                else:
                    break
        except ProtocolError as error:
            self.fault = str(error)
        self._waiting = text[start:]
        return replies

    def _check(self, text: bytes) -> Reply:
        try:
            frame = self._decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ProtocolError(f"a reply is malformed: {error}") from error
        if not self._expected or frame.number != self._expected[0]:
            raise ProtocolError("a reply came to a call that was not made")
        self._expected.popleft()
        score, kind, seconds = frame.score, frame.error, frame.seconds
        if (score is None) is (kind is None):
            raise ProtocolError("a reply has neither a score nor an error, or both")
        if (score is not None and not math.isfinite(score)) or not 0.0 <= seconds <= _SECONDS_MAX:
            raise ProtocolError("a reply holds a number that is out of range")
        return Reply(score, kind, frame.message, frame.output[: self._output_chars], seconds)
