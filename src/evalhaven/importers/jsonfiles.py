"""Reads JSON files of any size: they are mapped, so that memory holds only the parts in use."""

import contextlib
import mmap
from collections.abc import Generator, Iterator
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, RawJson, Span
from evalhaven.importers.source import SourceError

_BLOCK_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextlib.contextmanager
def mapped_file(path: Path) -> Generator[tuple[RawJson, Span]]:
    """Open a file; yield its bytes and the span of its text, without a byte order mark.

    Raises:
        SourceError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if not size:
                yield b"", (0, 0)
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
                yield raw, (len(_BYTE_ORDER_MARK) if raw[:3] == _BYTE_ORDER_MARK else 0, size)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error


class LineCounter:
    """Tells the line of a byte; if asked in ascending order, it reads each byte once."""

    def __init__(self, raw: RawJson) -> None:
        self._raw = raw
        self._counted_to = 0
        self._line = 1

    def __call__(self, place: int) -> int:
        """Return the line of a byte, the first being 1."""
        while self._counted_to < place:
            end = min(place, self._counted_to + _BLOCK_BYTES)
            self._line += self._raw[self._counted_to : end].count(b"\n")
            self._counted_to = end
        return self._line


def record_spans(raw: RawJson, span: Span) -> Iterator[Span]:
    """Yield the span of each record of a text that is JSON lines, an array, or a single object.

    If an array ends too early, the incomplete last record is yielded before the error is raised.

    Raises:
        InvalidJsonError: The text is an array whose brackets or commas are wrong.
    """
    if jsontext.starts_with(raw, span, b"["):
        yield from jsontext.elements(raw, span, may_be_cut=True)
    elif _is_one_object(raw, span):
        yield span
    else:
        yield from _lines(raw, span)


def _is_one_object(raw: RawJson, span: Span) -> bool:
    """Tell whether a text is one object on several lines: then its first line is not JSON by itself."""
    first = next(_lines(raw, span), None)
    if first is None:
        return False
    try:
        jsontext.parse(raw[slice(*first)])
    except InvalidJsonError:
        # A damaged first line of JSON lines is not a whole object either, and is reported as a line.
        try:
            jsontext.members(raw, span)
        except InvalidJsonError:
            return False
        return True
    return False


def _lines(raw: RawJson, span: Span) -> Iterator[Span]:
    start, end = span
    while start < end:
        found = raw.find(b"\n", start, end)
        line_end = end if found < 0 else found
        if raw[start:line_end].strip():
            yield start, line_end
        start = line_end + 1
