"""Which file holds which keys.

A row's id in its file is `second of the day << 16 | sequence`; its key also has the day and the file's number within
the day, its roll, in between: so calls of several files of a day can be brought into one order.
"""

import re
from dataclasses import dataclass

from evalhaven.logs.keys import NUMBER_BITS, day_of_text, day_text, first_key, parts_of

SEQUENCE_BITS = 16
MOST_ROLLS = 1 << NUMBER_BITS - SEQUENCE_BITS
LARGEST_SEQUENCE = (1 << SEQUENCE_BITS) - 1
_LARGEST_ROW = (1 << 33) - 1
_DAY_S = 86_400
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.([1-9]\d{0,2}))?\.db")


@dataclass(frozen=True, slots=True, order=True)
class DayFile:
    """A file: its day since 1970, and its roll, which counts from 0."""

    day: int
    roll: int

    @property
    def name(self) -> str:
        """Return the file's name."""
        return f"{day_text(self.day)}{f'.{self.roll}' if self.roll else ''}.db"

    def key_of(self, row: int) -> int:
        """Return the key of a row."""
        return self.first_key | row >> SEQUENCE_BITS << NUMBER_BITS | row & LARGEST_SEQUENCE

    @property
    def first_key(self) -> int:
        """Return the key of the row 0, from which those of all others are made."""
        return first_key(self.day * _DAY_S) | self.roll << SEQUENCE_BITS

    def rows_between(self, lowest: int, highest: int) -> tuple[int, int]:
        """Return the smallest and the largest row whose keys are in a range; the first is larger if there is none."""
        return self._first_row_from(lowest), self._first_row_from(highest + 1) - 1

    def _first_row_from(self, key: int) -> int:
        day, second, number = parts_of(key)
        if day != self.day:
            return 0 if day < self.day else _LARGEST_ROW
        roll, sequence = number >> SEQUENCE_BITS, number & LARGEST_SEQUENCE
        if roll > self.roll:
            return (second + 1) << SEQUENCE_BITS
        return second << SEQUENCE_BITS | (sequence if roll == self.roll else 0)


def file_named(name: str) -> DayFile | None:
    """Return the file that a name names; None for any other name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        file = DayFile(day_of_text(found[1]), int(found[2] or 0))
    except ValueError:
        return None
    return file if file.day >= 0 and file.roll < MOST_ROLLS else None


def place_of(key: int) -> tuple[DayFile, int]:
    """Return the file and the row of a key."""
    day, second, number = parts_of(key)
    return DayFile(day, number >> SEQUENCE_BITS), second << SEQUENCE_BITS | number & LARGEST_SEQUENCE
