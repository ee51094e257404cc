"""Parquet, written by pyarrow, which is an optional part."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from evalhaven.api.exports.columns import Column, ExportedItem, Kind
from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import OutputItem

_GROUP_ROWS = 20_000
_GROUP_BYTES = 16_000_000
_INT64 = 1 << 63


def require_pyarrow() -> None:
    """Refuse Parquet if what writes it is not installed.

    Raises:
        InvalidRequestError: It is not; the message says how to install it.
    """
    if find_spec("pyarrow") is None:
        raise InvalidRequestError(
            "This server cannot write Parquet, since pyarrow is not installed. Install it "
            "(pip install 'evalhaven[parquet]') and restart the server, or ask for 'jsonl' or 'csv'.",
            param="format",
            code="format_unavailable",
        )


class ParquetRows:
    """A row for each output item, in groups of rows that are written as soon as they are full.

    The types follow from the columns, not from the values: a field of items has the type that the item schema names,
    else text, which is JSON where the value is none. A value that does not fit its column is null there.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        """Write these columns."""
        # An optional part, and large.
        pa: Any = import_module("pyarrow")
        writer: Any = import_module("pyarrow.parquet").ParquetWriter
        types: dict[Kind, Any] = {
            "text": pa.string(),
            "integer": pa.int64(),
            "number": pa.float64(),
            "boolean": pa.bool_(),
            "any": pa.string(),
        }
        self._arrow = pa
        self._columns = columns
        self._schema: Any = pa.schema([(column.name, types[column.kind]) for column in columns])
        self._sink = _Sink()
        self._writer = writer(self._sink, self._schema)
        self._waiting: list[Any] = []

    def begin(self) -> bytes:
        """Return the first bytes of the file."""
        return self._sink.take()

    def write(self, items: Sequence[OutputItem]) -> bytes:
        """Take some items; return what is written of them and of earlier ones."""
        exported = [ExportedItem(item) for item in items]
        arrays = [
            self._arrow.array([_FITTED[column.kind](column.value(each)) for each in exported], field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        self._waiting.append(self._arrow.record_batch(arrays, schema=self._schema))
        rows, size = sum(each.num_rows for each in self._waiting), sum(each.nbytes for each in self._waiting)
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._write_group()
        return self._sink.take()

    def end(self) -> bytes:
        """Return the rest of the file."""
        self._write_group()
        self._writer.close()
        return self._sink.take()

    def _write_group(self) -> None:
        if self._waiting:
            self._writer.write_table(self._arrow.Table.from_batches(self._waiting, self._schema), _GROUP_ROWS * 2)
            self._waiting.clear()


class _Sink:
    """A file of which nothing is kept once it is taken."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def write(self, block: bytes) -> int:
        self._parts.append(bytes(block))
        self._written += len(block)
        return len(block)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Do nothing: what is written can be taken at once."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _as_text(value: JsonValue) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else jsontext.render(value)
    return text.encode("utf-8", "replace").decode()


def _as_integer(value: JsonValue) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value) if -_INT64 <= value < _INT64 else None


def _as_number(value: JsonValue) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def _as_boolean(value: JsonValue) -> bool | None:
    return value if isinstance(value, bool) else None


_FITTED: dict[Kind, Callable[[JsonValue], Any]] = {
    "text": _as_text,
    "integer": _as_integer,
    "number": _as_number,
    "boolean": _as_boolean,
    "any": _as_text,
}
