"""Rows of a data source: each a JSON object `{"item": {…}, "sample": {…}}`, or all of them bare items."""

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject
from evalhaven.domain.samples import NO_SAMPLE, ItemError, Sample, sample_of_row
from evalhaven.storage.blobs import BlobReader

MAX_ROW_BYTES = 32 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RowError(ValueError):
    """A row cannot be used; the message says why, but not where the row is."""


class _RawRow(msgspec.Struct):
    item: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    sample: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DECODER = msgspec.json.Decoder(_RawRow)


class Row(msgspec.Struct, frozen=True):
    """One parsed row.

    Attributes:
        item: The record.
        item_text: The item's JSON text as the user wrote it.
        recorded: The recorded output that came with the item, None if there is none.
        recorded_text: Its JSON text as the user wrote it.
        error: Why there is nothing to evaluate; None if there is something.
    """

    item: JsonObject
    item_text: str
    recorded: JsonObject | None = None
    recorded_text: str = ""
    error: ItemError | None = None

    @property
    def sample(self) -> Sample:
        """Return the row's sample, or `NO_SAMPLE`; made on demand, as rows are checked more often than graded."""
        return NO_SAMPLE if self.recorded is None else sample_of_row(self.recorded, self.recorded_text)


class Line(msgspec.Struct, frozen=True):
    """A line of a JSONL file that holds a row.

    Attributes:
        number: 1-based line in the file.
        start: Byte at which it begins.
        end: Byte after its line feed.
    """

    number: int
    start: int
    end: int
    text: bytes


def is_bare_item(raw: bytes) -> bool | None:
    """Tell whether a row is an object with neither of the keys `item` and `sample`; None: it is not an object."""
    try:
        row = _DECODER.decode(raw)
    except RecursionError:
        return None
    except (msgspec.DecodeError, UnicodeError):
        with suppress(InvalidJsonError):
            value = jsontext.parse_received(raw)
            return "item" not in value and "sample" not in value if isinstance(value, dict) else None
        return None
    return row.item is msgspec.UNSET and row.sample is msgspec.UNSET


def parse_row(raw: bytes, *, may_be_bare: bool = False) -> Row:
    """Return the row in one JSON text.

    Args:
        raw: The text.
        may_be_bare: Whether an object with neither of the keys `item` and `sample` is itself the item. That
            depends on all rows of a source, which are checked before any is evaluated.

    Raises:
        RowError: The text is not JSON, or not an object with an object `item` and optionally an object `sample`.
    """
    item_raw, sample_raw = _split_row(raw)
    if item_raw is None:
        if not may_be_bare or sample_raw is not None:
            raise RowError("it must be a JSON object with the key 'item'.")
        item_raw = raw
    try:
        item = jsontext.parse_received(item_raw)
        sample = None if sample_raw is None else jsontext.parse_received(sample_raw)
    except InvalidJsonError as error:
        raise RowError(f"it is not valid JSON: {error}.") from error
    if not isinstance(item, dict):
        raise RowError("its 'item' must be an object.")
    if sample is not None and not isinstance(sample, dict):
        raise RowError("its 'sample' must be an object or absent.")
    if not sample or sample_raw is None:
        # Azure's clients send an empty sample with every row; it says nothing.
        return Row(item, item_raw.decode())
    return Row(item, item_raw.decode(), sample, sample_raw.decode())


def lines_of(blob: BlobReader, start: int, end: int | None = None) -> Iterator[Line]:
    """Yield the lines of a JSONL file that are not blank, one at a time.

    Args:
        blob: The open file.
        start: Byte at which the first line begins.
        end: Byte at which to stop, or None for the end of the file.

    Raises:
        RowError: A line is longer than 32 MB; the message names it.
        EOFError: The file ends before `end`.
    """
    blob.seek(start)
    position, number = start, 0
    while end is None or position < end:
        line = blob.readline(MAX_ROW_BYTES + 1)
        is_cut = end is not None and position + len(line) < end and not line.endswith(b"\n")
        if is_cut and len(line) <= MAX_ROW_BYTES:
            raise EOFError
        if not line:
            return
        number += 1
        if len(line) > MAX_ROW_BYTES:
            raise RowError(f"Line {number} is longer than {MAX_ROW_BYTES // 1024 // 1024} MB.")
        line_start, position = position, position + len(line)
        text = line.removeprefix(_BYTE_ORDER_MARK).strip() if line_start == 0 else line.strip()
        if text:
            yield Line(number, line_start, position, text)


def _split_row(raw: bytes) -> tuple[bytes | None, bytes | None]:
    """Return the JSON texts of `item` and `sample` of a row, as written; None for one that is absent."""
    try:
        row = _DECODER.decode(raw)
        # The decoder does not look into what it skips, but a run echoes its inline rows whole.
        if not raw.isascii():
            raw.decode()
    except RecursionError as error:
        raise RowError("it is nested too deeply.") from error
    except (msgspec.DecodeError, UnicodeError):
        return _split_row_leniently(raw)
    return (
        None if row.item is msgspec.UNSET else bytes(row.item),
        None if row.sample is msgspec.UNSET else bytes(row.sample),
    )


def _split_row_leniently(raw: bytes) -> tuple[bytes | None, bytes | None]:
    """Split a row that msgspec refuses (lone surrogates are JSON all the same), or say what is wrong with it."""
    try:
        value = jsontext.parse_received(raw)
        if not isinstance(value, dict):
            raise RowError("it must be a JSON object with the key 'item'.")
        spans = jsontext.members(raw, (0, len(raw)))
    except InvalidJsonError as error:
        raise RowError(f"it is not valid JSON: {error}.") from error
    texts = {key: raw[slice(*span)] for key, span in spans.items()}
    return texts.get("item"), texts.get("sample")
