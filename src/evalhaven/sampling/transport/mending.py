"""Heads of replies with faults that leave no doubt about the body, so that most clients read them."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aiohttp.http_exceptions import HttpProcessingError

_END = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_MENDABLE = (b"content-length", b"chunked")
_FIRST_FINAL = 200
_SWITCHING = 101
_NOTHING: tuple[Sequence[Any], bool, bytes] = ((), False, b"")

Parsed = tuple[Sequence[Any], bool, bytes]


class Parser(Protocol):
    """What aiohttp's connections need from a parser."""

    def feed_data(self, data: bytes) -> Parsed:
        """Return the heads that are complete, whether the protocol changes, and what follows then."""
        ...

    def feed_eof(self) -> Any:
        """Complete or fail what is under way."""
        ...

    def pause_reading(self) -> None:
        """Keep what follows until more is asked for."""
        ...


class MendingParser:
    """aiohttp's parser, which gets a head that it refuses a second time, mended.

    Attributes:
        head_bytes: How long the head was, with those of informational replies before it; 0 while that is not known.
        is_mended: Whether it was. Where the next reply begins is then a guess.
    """

    def __init__(self, make: Callable[[], Parser]) -> None:
        """Parse nothing yet.

        Args:
            make: Makes a parser that has not parsed anything.
        """
        self.head_bytes = 0
        self.is_mended = False
        self._make = make
        self._parser: Parser = make()
        self._has_head = False
        self._passed_bytes = 0  # bytes of informational replies
        self._came = b""
        self._refusal: HttpProcessingError | None = None

    def feed_data(self, data: bytes) -> Parsed:
        """Parse a part; the bytes before the end of the head are bounded by the caller.

        Raises:
            HttpProcessingError: The part is not HTTP.
        """
        if self._has_head:
            return self._parser.feed_data(data)
        self._came = self._came + data if self._came else data
        if self._refusal is None:
            try:
                parsed = self._parser.feed_data(data)
            except HttpProcessingError as error:
                self._refusal = error
                parsed = self._mend(error)
        else:
            parsed = self._mend(self._refusal)
        self._note_heads(parsed[0])
        return parsed

    def feed_eof(self) -> Any:
        """Complete or fail what is under way."""
        return self._parser.feed_eof()

    def pause_reading(self) -> None:
        """Keep what follows until more is asked for."""
        self._parser.pause_reading()

    def _mend(self, refusal: HttpProcessingError) -> Parsed:
        if not any(words in self._came.lower() for words in _MENDABLE):
            raise refusal
        if _END not in self._came:
            return _NOTHING
        mended = _mended(self._came)
        if mended is None:
            raise refusal
        self._parser = self._make()
        self.is_mended = True
        return self._parser.feed_data(mended)

    def _note_heads(self, messages: Sequence[Any]) -> None:
        for message, _ in messages:
            if self._has_head:
                return
            length = self._came.find(_END) + len(_END)
            if message.code >= _FIRST_FINAL or message.code == _SWITCHING:
                self._has_head = True
                self.head_bytes = self._passed_bytes + length if length >= len(_END) else 0
                self._came = b""
            else:
                self._passed_bytes += length
                self._came = self._came[length:]


def _mended(came: bytes) -> bytes | None:
    """Return a reply whose head says once where the body ends, without what follows that; None if it is unclear."""
    head, _, body = came.partition(_END)
    status, *lines = head.split(b"\r\n")
    lengths: set[bytes] = set()
    kept: list[bytes] = []
    is_chunked = False
    for line in lines:
        name, _, value = line.partition(b":")
        match name.lower():
            case b"content-length":
                lengths.update(each.strip() for each in value.split(b","))
                continue
            case b"transfer-encoding":
                is_chunked = value.strip().lower() == b"chunked"
                if not is_chunked:
                    return None
            case _:
                pass
        kept.append(line)
    if is_chunked:  # The chunk sizes say where the body ends, as HTTP demands if both are present.
        data, last, _ = body.partition(_LAST_CHUNK)
        return b"\r\n".join([status, *kept]) + _END + data + last
    if len(lengths) != 1:
        return None
    [length] = lengths
    if not length.isdigit() or len(length) > len(str(2**63)):
        return None
    return b"\r\n".join([status, *kept, b"Content-Length: " + length]) + _END + body[: int(length)]
