"""JSON lines and CSV."""

import csv
import io
import re
from collections.abc import Sequence

from evalhaven.api.exports.columns import Column, ExportedItem
from evalhaven.api.rendering.output_items import output_item_text
from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run

# Spreadsheets take these, and what looks like them in other scripts, for the beginning of a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # fmt: skip
_SKIPPED = " \"'\u00a0\ufeff\u200b"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


class OutputItemLines:
    """Each output item on a line, as the API shows it."""

    def __init__(self, run: Run, criteria: Criteria) -> None:
        """Write the items of a run."""
        self._run = run
        self._criteria = criteria

    def write(self, items: Sequence[OutputItem]) -> bytes:
        """Return the lines of some items."""
        return "".join(f"{output_item_text(item, self._run, self._criteria)}\n" for item in items).encode()

    def begin(self) -> bytes:
        """Return nothing: there is no head."""
        return b""

    def end(self) -> bytes:
        """Return nothing: the last line is the end."""
        return b""


class ObjectLines:
    """Each output item on a line, as an object of chosen columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Write these columns."""
        self._columns = columns

    def write(self, items: Sequence[OutputItem]) -> bytes:
        """Return the lines of some items."""
        return "".join(f"{self._line(ExportedItem(item))}\n" for item in items).encode()

    def begin(self) -> bytes:
        """Return nothing: there is no head."""
        return b""

    def end(self) -> bytes:
        """Return nothing: the last line is the end."""
        return b""

    def _line(self, exported: ExportedItem) -> str:
        return jsontext.render({column.name: column.value(exported) for column in self._columns})


class CsvRows:
    """A row for each output item, which no spreadsheet takes for formulas (RFC 4180, UTF-8)."""

    def __init__(self, columns: Sequence[Column]) -> None:
        """Write these columns."""
        self._columns = columns

    def begin(self) -> bytes:
        """Return the names of the columns."""
        return _csv([[safe_text(column.name) for column in self._columns]])

    def write(self, items: Sequence[OutputItem]) -> bytes:
        """Return the rows of some items."""
        exported = map(ExportedItem, items)
        return _csv([[_cell(column.value(each)) for column in self._columns] for each in exported])

    def end(self) -> bytes:
        """Return nothing: the last row is the end."""
        return b""


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet executes: with an apostrophe before it if it looks like a formula.

    Quotes of CSV do not help, since they are taken off first. A text that is a number stays as it is.
    """
    begins = text.lstrip(_SKIPPED)
    if not (text.startswith(_FORMULA_STARTS) or begins.startswith(_FORMULA_STARTS)) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"


def _cell(value: JsonValue) -> str:
    match value:
        case None:
            return ""
        case str():
            return safe_text(value)
        case list() | dict():
            return safe_text(jsontext.render(value))
        case _:
            return jsontext.render(value)


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")
