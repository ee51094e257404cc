"""Groups of items by any number of values, in memory that does not grow with them."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue

MOST_IN_MEMORY = 50_000
LONGEST_VALUE = 1000
MOST_TEXT = 16 * 1024 * 1024
_LONGEST_KEY = 64
_CACHE_KB = 32 * 1024
_READ_AT_ONCE = 500
_NO_VALUE = ""  # keys of values begin with a quotation mark, or are other JSON
_CREATE = (
    "CREATE TABLE groups (key BLOB PRIMARY KEY, shown BLOB, is_cut INTEGER, first INTEGER, passed INTEGER, "
    "failed INTEGER, errored INTEGER, items INTEGER, total REAL, squares REAL) WITHOUT ROWID"
)
_ADD = (
    "INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
    "passed = passed + excluded.passed, failed = failed + excluded.failed, errored = errored + excluded.errored, "
    "items = items + excluded.items, total = total + excluded.total, squares = squares + excluded.squares"
)
_LARGEST = (
    "SELECT shown, is_cut, first, passed, failed, errored, items, total, squares FROM groups "
    "ORDER BY passed + failed + errored DESC, first LIMIT ?"
)


@dataclass(slots=True)
class Group:
    """The items that have one value.

    Attributes:
        shown: JSON text of the value, or of its beginning; None for items without one.
        is_cut: Whether it is the beginning only.
        first: Position of the first of them.
        passed: Samples that passed.
        failed: Samples that failed.
        errored: Samples that erred.
        items: Items of which some sample has a result.
        total: Sum over these of their share of passes.
        squares: Sum of the squares of these shares.
    """

    shown: str | None
    is_cut: bool
    first: int
    passed: int = 0
    failed: int = 0
    errored: int = 0
    items: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def size(self) -> int:
        """Return the number of samples."""
        return self.passed + self.failed + self.errored

    def add(self, passed: int, failed: int, errored: int) -> None:
        """Add an item by the numbers of its samples."""
        self.passed += passed
        self.failed += failed
        self.errored += errored
        if known := passed + failed:
            share = passed / known
            self.items += 1
            self.total += share
            self.squares += share * share


class Groups:
    """Groups of items; those that are too many for memory are kept in a file without a name, until `close`."""

    def __init__(self, directory: Path, most_in_memory: int = MOST_IN_MEMORY, most_text: int = MOST_TEXT) -> None:
        """Begin without any item.

        Args:
            directory: Where there is room for a file.
            most_in_memory: How many groups are kept in memory.
            most_text: How many characters of their values.
        """
        self._directory = directory
        self._most = most_in_memory
        self._most_text = most_text
        self._groups: dict[str | bytes, Group] = {}
        self._text = 0
        self._file: sqlite3.Connection | None = None
        # Who asked may be gone, and this closed, while a thread is still at work.
        self._lock = Lock()

    def close(self) -> None:
        """Drop all groups."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    def add(self, value: JsonValue, position: int, counts: tuple[int, int, int]) -> None:
        """Add an item that has a value.

        Args:
            value: The value.
            position: Of the item; they come in order.
            counts: How many of its samples passed, failed and erred.
        """
        text = f'"{value}' if isinstance(value, str) else jsontext.render(_ordered(value))
        key = text if len(text) <= _LONGEST_KEY else _digest(text)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(*_shown(value, text), position)
            self._text += len(group.shown or "")
        group.add(*counts)
        if len(self._groups) > self._most or self._text > self._most_text:
            self._store()

    def add_without(self, position: int, counts: tuple[int, int, int]) -> None:
        """Add an item that has no value."""
        group = self._groups.get(_NO_VALUE)
        if group is None:
            group = self._groups[_NO_VALUE] = Group(None, False, position)
        group.add(*counts)

    def count(self) -> tuple[int, int]:
        """Return how many different values there are, and how many groups."""
        if self._file is None:
            return len(self._groups) - (_NO_VALUE in self._groups), len(self._groups)
        self._store()
        with self._lock:
            values, groups = self._file.execute("SELECT COUNT(shown), COUNT(*) FROM groups").fetchone()
        return values, groups

    def largest(self, limit: int) -> Iterator[Group]:
        """Yield the largest groups first; of groups of one size, the one that came first."""
        if self._file is None:
            yield from sorted(self._groups.values(), key=lambda each: (-each.size, each.first))[:limit]
            return
        self._store()
        with self._lock:
            rows = self._file.execute(_LARGEST, (limit,))
        while True:
            with self._lock:
                found = rows.fetchmany(_READ_AT_ONCE)
            if not found:
                return
            for shown, is_cut, *more in found:
                yield Group(None if shown is None else _text(shown), bool(is_cut), *more)

    def _store(self) -> None:
        with self._lock:
            if self._file is None:
                self._file = _open(self._directory)
            # In order of the key, neighbours are written side by side.
            rows = sorted((_stored_key(key), *_values(group)) for key, group in self._groups.items())
            self._file.executemany(_ADD, rows)
        self._groups.clear()
        self._text = 0


def _stored_key(key: str | bytes) -> bytes:
    return key if isinstance(key, bytes) else _digest(key)


def _values(group: Group) -> tuple[object, ...]:
    shown = None if group.shown is None else _bytes(group.shown)
    counts = (group.passed, group.failed, group.errored, group.items, group.total, group.squares)
    return (shown, group.is_cut, group.first, *counts)


def _open(directory: Path) -> sqlite3.Connection:
    with NamedTemporaryFile(dir=directory, delete=False) as made:
        path = Path(made.name)
    file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    pragmas = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", f"cache_size=-{_CACHE_KB}")
    for pragma in pragmas:
        file.execute(f"PRAGMA {pragma}")
    file.execute(_CREATE)
    # Nobody opens it again, so it disappears with this process, however that ends.
    with contextlib.suppress(OSError):
        path.unlink()
    return file


def _ordered(value: JsonValue) -> JsonValue:
    """Return a value with the keys of its objects in order, since their order says nothing."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(each) for each in value] if isinstance(value, list) else value


def _shown(value: JsonValue, text: str) -> tuple[str, bool]:
    if len(text) <= LONGEST_VALUE:
        return jsontext.render(value), False
    beginning = value if isinstance(value, str) else text
    return jsontext.render(beginning[:LONGEST_VALUE]), True


def _digest(text: str) -> bytes:
    return blake2b(_bytes(text), digest_size=16).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")
