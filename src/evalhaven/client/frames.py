"""Rows of an export as a data frame, a part at a time: what is in memory is the frame, and little else.

A column is as narrow as its values allow: whole numbers, numbers, truth values, or text. Values of any other kind, and
those of a column of several kinds, are text, in JSON where the value is no text, as in exports as Parquet.
"""

import json
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal, Protocol

from evalhaven.client.errors import MissingLibraryError

Kind = Literal["nothing", "boolean", "integer", "number", "text"]
Rows = Sequence[dict[str, Any]]

PART_ROWS = 10_000
_LARGEST = 1 << 63


class FrameLibrary(Protocol):
    """What makes frames."""

    def series(self, kind: Kind, values: Sequence[Any]) -> Any:
        """Return a part of a column; None stands for a missing value."""
        ...

    def values(self, series: Any) -> list[Any]:
        """Return the values of a part of a column, None for missing ones."""
        ...

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return parts of one kind as a column."""
        ...

    def frame(self, columns: dict[str, Any]) -> Any:
        """Return a frame of these columns."""
        ...


class FrameMaker:
    """Makes a frame of rows, which all have the same keys."""

    def __init__(self, library: FrameLibrary) -> None:
        """Begin a frame of this library."""
        self._library = library
        self._parts: dict[str, list[tuple[Kind, Any]]] = {}

    @property
    def has_rows(self) -> bool:
        """Tell whether any row was added."""
        return bool(self._parts)

    def add(self, rows: Rows) -> None:
        """Add rows."""
        for name in rows[0] if rows else ():
            values = [row[name] for row in rows]
            kind = _kind_of(values)
            self._parts.setdefault(name, []).append((kind, self._library.series(kind, _as(kind, values))))

    def finish(self) -> Any:
        """Return the frame; each column's parts are let go before the next one is joined."""
        columns: dict[str, Any] = {}
        for name in list(self._parts):
            parts = self._parts.pop(name)
            kind: Kind = "nothing"
            for each, _ in parts:
                kind = _common(kind, each)
            columns[name] = self._library.joined([self._converted(each, series, kind) for each, series in parts])
        return self._library.frame(columns)

    def _converted(self, kind: Kind, series: Any, wanted: Kind) -> Any:
        if kind == wanted:
            return series
        return self._library.series(wanted, _as(wanted, self._library.values(series)))


class Pandas:
    """Frames of pandas, whose columns have a place for missing values."""

    def __init__(self) -> None:
        """Load the library.

        Raises:
            MissingLibraryError: It is not installed.
        """
        self._pandas = _library("pandas")
        text = self._pandas.Series(["text"]).dtype
        self._types = {"nothing": "object", "boolean": "boolean", "integer": "Int64", "number": "float64", "text": text}

    def series(self, kind: Kind, values: Sequence[Any]) -> Any:
        """Return a part of a column."""
        return self._pandas.Series(values, dtype=self._types[kind])

    def values(self, series: Any) -> list[Any]:
        """Return the values of a part of a column."""
        return [None if is_missing else value for value, is_missing in zip(series.tolist(), series.isna(), strict=True)]

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return parts of one kind as a column."""
        return self._pandas.concat(parts, ignore_index=True)

    def frame(self, columns: dict[str, Any]) -> Any:
        """Return a frame of these columns, which are not copied."""
        return self._pandas.DataFrame(columns, copy=False)


class Polars:
    """Frames of polars."""

    def __init__(self) -> None:
        """Load the library.

        Raises:
            MissingLibraryError: It is not installed.
        """
        self._polars = polars = _library("polars")
        self._types = {
            "nothing": polars.Null, "boolean": polars.Boolean, "integer": polars.Int64, "number": polars.Float64,
            "text": polars.String,
        }  # fmt: skip

    def series(self, kind: Kind, values: Sequence[Any]) -> Any:
        """Return a part of a column."""
        return self._polars.Series(values, dtype=self._types[kind])

    def values(self, series: Any) -> list[Any]:
        """Return the values of a part of a column."""
        return series.to_list()

    def joined(self, parts: Sequence[Any]) -> Any:
        """Return parts of one kind as a column; they are not copied."""
        return self._polars.concat(parts, rechunk=False)

    def frame(self, columns: dict[str, Any]) -> Any:
        """Return a frame of these columns."""
        return self._polars.DataFrame(columns)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibraryError(
            f"A frame of {name} needs {name}, which is not installed: pip install 'evalhaven[{name}]'."
        ) from error


def _kind_of(values: Sequence[Any]) -> Kind:
    kind: Kind = "nothing"
    types: set[type[Any]] = {type(value) for value in values}
    for each in types:
        kind = _common(kind, _KINDS.get(each, "text"))
    if kind == "integer" and any(value is not None and not -_LARGEST <= value < _LARGEST for value in values):
        return "text"
    return kind


_KINDS: dict[type[Any], Kind] = {type(None): "nothing", bool: "boolean", int: "integer", float: "number"}


def _common(one: Kind, other: Kind) -> Kind:
    """Return the kind of column that has a place for values of both kinds."""
    if other in (one, "nothing"):
        return one
    if one == "nothing":
        return other
    return "number" if {one, other} == {"integer", "number"} else "text"


def _as(kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    if kind == "number":
        return [None if value is None else float(value) for value in values]
    return [_text_of(value) for value in values] if kind == "text" else values


def _text_of(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Frames hold valid Unicode only, whereas an answer may have half a character.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
