"""All day files together, for one thread at a time or many: everything here waits for the disk."""

import errno
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.day_files.changes import count_lone, drop_some
from evalhaven.logs.day_files.connections import Connections, UnusableFileError
from evalhaven.logs.day_files.directory import Directory
from evalhaven.logs.day_files.inserts import Prepared, insert, prepared
from evalhaven.logs.day_files.layout import MOST_ROLLS, DayFile, place_of
from evalhaven.logs.day_files.limits import DayFileLimits
from evalhaven.logs.day_files.queries import numbers_of, origins_known, rows_named, rows_wanted
from evalhaven.logs.day_files.reads import calls_at
from evalhaven.logs.day_files.tables import OpenFile, fill
from evalhaven.logs.facts import Wanted, origin_of, tags_of_kinds
from evalhaven.logs.keys import day_of, day_text

T = TypeVar("T")

_AT_ONCE = 5_000  # calls added in one transaction; fewer than a second has room for


class DayFiles:
    """The day files of a directory."""

    def __init__(self, path: Path, limits: DayFileLimits) -> None:
        """Use a directory, which is made with the first call."""
        self._directory = Directory(path, limits.longest_wait_s)
        self._connections = Connections(self._directory, limits)
        self._limits = limits

    def add(self, calls: Sequence[LoggedCall]) -> int:
        """Add calls, and return how many were not known."""
        by_day: dict[int, dict[tuple[bytes, int], Prepared]] = defaultdict(dict)
        for call in sorted(calls, key=lambda call: call.created_at):
            each = prepared(call)
            by_day[day_of(call.created_at)].setdefault(each.origin, each)
        added = 0
        for day, of_day in by_day.items():
            waiting = list(of_day.values())
            for start in range(0, len(waiting), _AT_ONCE):
                added += self._add_to_day(day, waiting[start : start + _AT_ONCE])
        return added

    def keys_named(self, name: bytes, *, only_stored: bool = True) -> list[int]:
        """Return the keys of calls with a name, newest first, of the newest day that has any."""
        for _, of_day in groupby(self._directory.files(), key=lambda file: file.day):
            keys: list[int] = []
            for file in of_day:
                rows = self._ask(file, lambda opened: rows_named(opened.connection, name, only_stored=only_stored), [])
                keys += [file.key_of(row) for row in rows]
            if keys:
                return sorted(keys, reverse=True)
        return []

    def keys_wanted(self, wanted: Wanted, between: tuple[int, int], order: Order, limit: int) -> "array[int]":
        """Return the keys of calls that are wanted, in order.

        Args:
            wanted: What the calls must have.
            between: The smallest and the largest key.
            order: `desc` has the largest key first.
            limit: The most keys to return.
        """
        found = array("q")
        is_descending = order == "desc"
        files = sorted(self._directory.files(), reverse=is_descending)
        for _, of_day in groupby(files, key=lambda file: file.day):
            most = limit - len(found)
            if most <= 0:
                break
            keys: list[int] = []
            rolls = 0
            for file in of_day:
                rolls += 1
                of_file = self._rows_wanted(file, wanted, between, order, most)
                keys += map(file.key_of, of_file)
            if rolls > 1:
                keys.sort(reverse=is_descending)
            found.extend(keys[:most])
        return found

    def read(self, scope: ProjectScope, keys: Sequence[int]) -> list[LoggedCall | None]:
        """Return calls by key, in the order of the keys."""
        by_file: dict[DayFile, list[tuple[int, int]]] = defaultdict(list)
        for key in keys:
            file, row = place_of(key)
            by_file[file].append((key, row))
        found: dict[int, LoggedCall] = {}
        for file, of_file in by_file.items():
            rows = [row for _, row in of_file]
            calls = self._ask(file, lambda opened, rows=rows: calls_at(opened, scope, rows), {})
            found.update((key, calls[row]) for key, row in of_file if row in calls)
        return [found.get(key) for key in keys]

    def change(self, name: bytes, work: Callable[[OpenFile, int], T | None]) -> T | None:
        """Do something with the newest call of a name; None if there is none.

        Raises:
            UnusableFileError: Its file has become unusable.
        """
        for key in self.keys_named(name):
            file, row = place_of(key)
            with self._connections.lent(file) as opened:
                done = work(opened, row)
            if done:
                return done
        return None

    def count_known(self, scope: ProjectScope | None, origins: Sequence[tuple[int, str]]) -> int:
        """Return how many calls, by time of creation and origin, were ever added to the files there are."""
        by_day: dict[int, set[bytes]] = defaultdict(set)
        for created_at, origin in origins:
            by_day[day_of(created_at)].add(origin_of(origin))
        files = self._directory.files()
        count = 0
        for day, hashes in by_day.items():
            known = self._known([file for file in files if file.day == day], list(hashes))
            count += len({origin for origin, project in known if scope is None or scope.project_id == project})
        return count

    def drop(self, before: int, today: int, most_bytes: int | None) -> list[int]:
        """Remove all days before one, and as many more before today as the size demands; return them, oldest first."""
        with self._directory.locked():
            files = self._directory.files()
            sizes = {file: self._directory.size(file) for file in files}
            left = sum(sizes.values())
            dropped: list[int] = []
            for day, of_day in groupby(reversed(files), key=lambda file: file.day):
                is_surplus = most_bytes is not None and left > most_bytes
                if day >= today or not (day < before or is_surplus):
                    break
                left -= sum(sizes[file] for file in self._remove(of_day))
                dropped.append(day)
        return dropped

    def days_before(self, before: int) -> list[int]:
        """Return the days before one, oldest first."""
        return sorted({file.day for file in self._directory.files() if file.day < before})

    def drop_calls(self, scope: ProjectScope, day: int) -> int:
        """Drop some calls of a project of a day and return how many; 0: none is left.

        If the day has nothing of any other project, all of it is removed.
        """
        most = self._limits.dropped_at_once
        files = [file for file in self._directory.files() if file.day == day]
        if self._count_lone(files, scope):
            with self._directory.locked():  # nobody adds calls meanwhile
                files = [file for file in self._directory.files() if file.day == day]
                lone = self._count_lone(files, scope)
                if lone:
                    self._remove(files)
                    return lone
        for file in files:
            if dropped := self._ask(file, lambda opened: drop_some(opened, scope, most), 0):
                return dropped
        return 0

    def measure(self) -> list[tuple[int, int, int]]:
        """Return each day, newest first, with the number of its calls and their bytes on disk."""
        volumes: list[tuple[int, int, int]] = []
        for day, of_day in groupby(self._directory.files(), key=lambda file: file.day):
            files = list(of_day)
            calls = sum(self._ask(file, _count_calls, 0) for file in files)
            volumes.append((day, calls, sum(map(self._directory.size, files))))
        return volumes

    def count_by_day(self, scope: ProjectScope) -> dict[int, int]:
        """Return how many calls of a project each day has, newest first, if it has any."""
        tags = tags_of_kinds(scope)

        def count(opened: OpenFile) -> int:
            return sum(calls for _, calls in numbers_of(opened.connection, tags).values())

        counts: dict[int, int] = defaultdict(int)
        for file in self._directory.files():
            counts[file.day] += self._ask(file, count, 0)
        return {day: calls for day, calls in counts.items() if calls}

    def close(self) -> None:
        """Close all files."""
        self._connections.close()

    def _count_lone(self, files: Sequence[DayFile], scope: ProjectScope) -> int:
        """Return how many calls files have, all of one project; 0 if they may hold anything else."""
        counts = [self._ask(file, lambda opened: count_lone(opened, scope), None) for file in files]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else 0

    def _remove(self, files: Iterable[DayFile]) -> list[DayFile]:
        """Remove files and return them; the caller holds the lock of the directory."""
        removed = list(files)
        for file in removed:
            self._connections.forget(file)
            self._directory.remove(file)
        return removed

    def _add_to_day(self, day: int, calls: list[Prepared]) -> int:
        with self._directory.locked():
            rolls = [file for file in self._directory.files() if file.day == day]
            known = self._known(rolls, [call.origin[0] for call in calls])
            new = [call for call in calls if call.origin not in known]
            if not new:
                return 0
            file = rolls[0] if rolls else self._make(DayFile(day, 0))
            while not self._insert(file, new):
                file = self._make(DayFile(day, file.roll + 1))
        enough = (self._limits.learnt_from, self._limits.relearnt_from)
        self._ask(file, lambda opened: opened.codec.learn(*enough), None)
        return len(new)

    def _insert(self, file: DayFile, calls: list[Prepared]) -> bool:
        """Add calls to a file; False if it is full, missing or damaged."""

        def work(opened: OpenFile) -> bool:
            (added,) = opened.connection.execute("SELECT added FROM volume").fetchone()
            limits = self._limits
            is_full = added >= limits.most_calls or self._directory.size(file) >= limits.most_bytes
            return not is_full and insert(opened, calls)

        try:
            with self._connections.lent(file) as opened:
                return work(opened)
        except UnusableFileError as error:
            if not error.is_certain:
                raise
            return False

    def _make(self, file: DayFile) -> DayFile:
        if file.roll >= MOST_ROLLS:
            raise TooManyCallsError(file.day)
        dictionary = None
        for other in self._directory.files():
            dictionary = self._ask(other, lambda opened: opened.codec.newest_data(), None)
            if dictionary is not None:
                break
        self._directory.make(file, lambda path: fill(path, dictionary))
        return file

    def _known(self, files: Sequence[DayFile], hashes: Sequence[bytes]) -> set[tuple[bytes, int]]:
        known: set[tuple[bytes, int]] = set()
        for file in files:
            known |= self._ask(file, lambda opened: origins_known(opened.connection, hashes), set[tuple[bytes, int]]())
        return known

    def _rows_wanted(
        self, file: DayFile, wanted: Wanted, between: tuple[int, int], order: Order, limit: int
    ) -> list[int]:
        first, last = file.rows_between(*between)
        if first > last:
            return []
        return self._ask(file, lambda opened: rows_wanted(opened, wanted, (first, last), order, limit), [])

    def _ask(self, file: DayFile, work: Callable[[OpenFile], T], otherwise: T) -> T:
        """Return what a piece of work does with a file; for one that is missing or damaged, something else."""
        try:
            with self._connections.lent(file) as opened:
                return work(opened)
        except UnusableFileError:
            return otherwise


def _count_calls(opened: OpenFile) -> int:
    calls: int = opened.connection.execute("SELECT calls FROM volume").fetchone()[0]
    return calls


class TooManyCallsError(OSError):
    """A day cannot take more calls."""

    def __init__(self, day: int) -> None:
        super().__init__(errno.ENOSPC, f"{day_text(day)} has {MOST_ROLLS} files of logged calls, the most there can be")
