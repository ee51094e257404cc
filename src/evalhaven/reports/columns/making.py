"""Columns out of the rows of output items.

Texts become codes: numbers from 1 on, 0 where there is none. What they stand for is kept in the head of the columns. A
field of items is a column only while it has few different values; one with more is computed from the rows when asked
for. A column that has no value in a part is left out of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.samples import shown_message

MOST_VALUES = 200
MOST_FIELDS = 64
MOST_ERRORS = 1000
MOST_LABELS = 1000
_LONGEST_VALUE = 120

NONE, PASSED, FAILED, ERRORED = 0, 1, 2, 3
"""Outcomes of a criterion for an item: NONE where the item has no grade."""

OTHER = "other"
TYPES: dict[str, str] = {
    "key": "<u8", "position": "<i8", "repeat": "<u2", "status": "u1", "score": "<f8", "latency": "<i4", "tokens": "<i8",
    "error": "<u2", "outcome": "u1", "criterion_score": "<f8", "label": "<u2", "field": "u1",
}  # fmt: skip
"""The type of the values of each kind of column; the kind is the column's name up to a colon."""


def column_type(name: str) -> np.dtype[Any]:
    """Return the type of a column's values."""
    return np.dtype(TYPES[name.partition(":")[0]])


class _Codes:
    """Numbers for texts, in the order of their appearance, from 1 on."""

    def __init__(self, known: Iterable[Any], most: int) -> None:
        self.texts = list(known)
        self._numbers = {_hashable(text): number for number, text in enumerate(self.texts, 1)}
        self._most = most

    def code(self, text: Any, *, is_last: bool = False) -> int:
        """Return the number of a text; 0 if there are too many texts already and it is not the last one."""
        hashable = _hashable(text)
        number = self._numbers.get(hashable)
        if number is None:
            if len(self.texts) >= self._most and not is_last:
                return 0
            self.texts.append(text)
            number = self._numbers[hashable] = len(self.texts)
        return number


def _hashable(text: Any) -> Any:
    # 1, 1.0 and true are equal, but different values.
    return tuple(cast("list[Any]", text)) if isinstance(text, list) else (type(text), text)


class ColumnMaker:
    """Makes the columns of one run, part after part."""

    def __init__(self, criteria_count: int, codes: JsonValue = None) -> None:
        """Begin, or go on after earlier parts.

        Args:
            criteria_count: Number of the run's criteria.
            codes: What `codes` returned after the last part; None to begin.
        """
        before = cast(
            "dict[str, Any]",
            codes or {"errors": [], "labels": {}, "fields": {}, "dropped": [], "names": []},
        )
        self._criteria = range(criteria_count)
        self._errors = _Codes(before["errors"], MOST_ERRORS)
        self._labels = {int(key): _Codes(texts, MOST_LABELS) for key, texts in before["labels"].items()}
        self._fields = {name: _Codes(values, MOST_VALUES) for name, values in before["fields"].items()}
        self._dropped = set(before["dropped"])
        self._field_numbers = {name: number for number, name in enumerate(before["names"])}

    @property
    def codes(self) -> JsonObject:
        """Return what the codes stand for, as JSON."""
        return cast(
            "JsonObject",
            {
                "errors": self._errors.texts,
                "labels": {str(key): codes.texts for key, codes in self._labels.items()},
                "fields": {name: codes.texts for name, codes in self._fields.items()},
                "dropped": sorted(self._dropped),
                "names": list(self._field_numbers),
            },
        )

    def make(self, rows: Sequence[Sequence[Any]]) -> dict[str, bytes]:
        """Return the columns of some rows, as `storage.run_columns.list_items_for_columns` returns them."""
        count = len(rows)
        position, repeat, status, score, latency, tokens, hashes, items, grades, error_codes, samples = zip(
            *rows, strict=True
        )
        columns: dict[str, np.ndarray[Any, Any]] = {
            "key": np.frombuffer(b"".join(each[:8] for each in hashes), "<u8"),
            "position": np.array(position, "<i8"),
            "repeat": np.array(repeat, "<u2"),
            "status": np.array(status, "u1"),
            "score": np.array(score, "<f8"),
            "latency": np.array([-1 if each is None else each for each in latency], "<i4"),
            "tokens": np.array([each or 0 for each in tokens], "<i8"),
            "error": np.array(
                [
                    self._error(*said) if ended == ItemStatus.ERROR else 0
                    for ended, *said in zip(status, error_codes, samples, grades, strict=True)
                ],
                "<u2",
            ),
        }
        columns |= self._graded(grades, count)
        columns |= self._of_items(items, count)
        return {name: column.tobytes() for name, column in columns.items() if name in _ALWAYS or column.any()}

    def _graded(self, grades: Iterable[str], count: int) -> dict[str, np.ndarray[Any, Any]]:
        outcomes = [bytearray(count) for _ in self._criteria]
        scores = [np.full(count, np.nan) for _ in self._criteria]
        labels: dict[int, np.ndarray[Any, Any]] = {}
        for row, text in enumerate(grades):
            for number, (score, passed, *rest) in zip(self._criteria, cast("list[Any]", parse(text)), strict=False):
                if rest:
                    more = cast("dict[str, Any]", rest[0])
                    if "absent" in more:
                        continue
                    if "error" in more:
                        outcomes[number][row] = ERRORED
                        continue
                    label = cast("dict[str, Any]", more.get("judge") or {}).get("result")
                    if isinstance(label, str):
                        if number not in labels:
                            labels[number] = np.zeros(count, "<u2")
                        known = self._labels.setdefault(number, _Codes((), MOST_LABELS))
                        labels[number][row] = known.code(label[:_LONGEST_VALUE])
                outcomes[number][row] = PASSED if passed else FAILED
                scores[number][row] = score
        columns: dict[str, np.ndarray[Any, Any]] = {}
        for number in self._criteria:
            columns[f"outcome:{number}"] = np.frombuffer(outcomes[number], "u1")
            columns[f"criterion_score:{number}"] = scores[number]
        return columns | {f"label:{number}": values for number, values in labels.items()}

    def _of_items(self, items: Iterable[str], count: int) -> dict[str, np.ndarray[Any, Any]]:
        found: dict[str, bytearray] = {}
        for row, text in enumerate(items):
            try:
                item = parse(text)
            except InvalidJsonError:
                continue
            for name, value in _scalars(item):
                codes = self._fields.get(name)
                if codes is None:
                    if name in self._dropped or len(self._field_numbers) >= MOST_FIELDS:
                        continue
                    codes = self._fields[name] = _Codes((), MOST_VALUES)
                    self._field_numbers[name] = len(self._field_numbers)
                code = codes.code(value)
                if code == 0 or (isinstance(value, str) and len(value) > _LONGEST_VALUE):
                    del self._fields[name]
                    self._dropped.add(name)
                    found.pop(name, None)
                    continue
                if name not in found:
                    found[name] = bytearray(count)
                found[name][row] = code
        return {f"field:{self._field_numbers[name]}": np.frombuffer(values, "u1") for name, values in found.items()}

    def _error(self, code: str | None, sample: str | None, grades: str) -> int:
        """Return the number of an error: its code and message."""
        named = code if isinstance(code, str) else ""
        message = shown_message(sample, grades)
        return self._errors.code([named, message]) or self._errors.code([OTHER, ""], is_last=True)


_ALWAYS = frozenset({"key", "position", "status"})


def _scalars(item: JsonValue) -> Iterator[tuple[str, Any]]:
    """Yield the fields of an item that have a single value, and those one level below, as `metadata.topic`."""
    if not isinstance(item, dict):
        return
    for name, value in item.items():
        if isinstance(value, dict):
            for inner, below in value.items():
                if isinstance(below, str | int | float):
                    yield f"{name}.{inner}", below
        elif isinstance(value, str | int | float):
            yield name, value
