"""The store of logged calls in PostgreSQL."""

from array import array
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import attrgetter

import anyio.to_thread
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from evalhaven.domain.clock import Clock
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.facts import name_of, origin_of, wanted_by
from evalhaven.logs.keys import day_of, day_of_text, day_text, keys_of_day
from evalhaven.logs.pages import PageBuilder, keys_after, keys_between
from evalhaven.logs.partitions.days import (
    count_day,
    counts,
    days,
    drop_day,
    drop_lone_day,
    has_others,
    make_day,
    sizes,
)
from evalhaven.logs.partitions.dropping import drop_some, has_calls
from evalhaven.logs.partitions.queries import KeyQuery, key_query, terms_of_project
from evalhaven.logs.partitions.rows import (
    PreparedRow,
    insert_new_calls,
    lock_call,
    prepared,
    read_calls,
    remove_call,
    replace_call,
)
from evalhaven.logs.store import DayVolume, LogPage, LogVolume
from evalhaven.storage.database import Database
from evalhaven.storage.reading import ReadTransaction

_INSERTED_AT_ONCE = 2_000
_GROWTH = 4
_PINNED_AT_ONCE = 100_000
_READ_AT_ONCE = 500
_PLANNED_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")
_NEWEST = text("SELECT key FROM logged_calls WHERE name = :name AND data IS NOT NULL ORDER BY key DESC LIMIT 1")
_ENDS = text("SELECT min(key), max(key) FROM logged_calls WHERE name = :name")
_KNOWN = text(
    "SELECT count(DISTINCT origin) FROM logged_calls WHERE key BETWEEN :first AND :last "
    "AND origin = ANY(CAST(:origins AS bytea[])) AND (CAST(:project_id AS bigint) IS NULL OR project_id = :project_id)"
)


class PartitionStore:
    """Keeps logged calls in partitions of a PostgreSQL database."""

    def __init__(self, database: Database, clock: Clock, few: int = 500, dropped_at_once: int = 1_000) -> None:
        """Use a database.

        Args:
            database: PostgreSQL.
            clock: Tells which day is today.
            few: How many calls of a day are found and then put in order; more are walked through in order.
            dropped_at_once: How many calls of a project are dropped in one transaction.
        """
        self._database = database
        self._dropped_at_once = dropped_at_once
        self._few = few
        self._clock = clock
        self._added: dict[int, int] = {}
        self._counted: dict[int, int] = {}  # how many calls a day had when the planner was last told

    async def add(self, calls: Sequence[LoggedCall], /) -> int:
        """Store calls, each day's in one transaction or a few, and return how many are new."""
        rows = await anyio.to_thread.run_sync(prepared, sorted(calls, key=attrgetter("created_at")))
        added = 0
        for day, of_day in groupby(rows, key=lambda row: day_of(row.created_at)):
            waiting = list(of_day)
            for start in range(0, len(waiting), _INSERTED_AT_ONCE):
                added += await self._add_to_day(day, waiting[start : start + _INSERTED_AT_ONCE])
        return added

    async def find(self, scope: ProjectScope, kind: CallKind, call_id: str, /) -> LoggedCall | None:
        """Return a call by its public id."""

        async def work(tx: ReadTransaction) -> LoggedCall | None:
            key = await _key_named(tx, name_of(scope, kind, call_id))
            return None if key is None else (await read_calls(tx, scope, [key])).get(key)

        return await self._database.fetch(work)

    async def page(
        self, scope: ProjectScope, wanted: CallFilter, /, *, limit: int, order: Order, after: str | None = None
    ) -> LogPage:
        """Return a page of calls."""
        query = key_query(scope, wanted.kind, wanted_by(scope, wanted), self._few)

        async def work(tx: ReadTransaction) -> LogPage:
            between = keys_between(wanted)
            if after is not None:
                kinds = list(CallKind) if wanted.kind is None else [wanted.kind]
                found = [key for kind in kinds for key in await _keys_named(tx, name_of(scope, kind, after))]
                between = keys_after(between, order, found, after)
            while True:
                building = PageBuilder(await _keys_wanted(tx, query, between, order, limit + 1), limit)
                while part := building.next_keys():
                    calls = await read_calls(tx, scope, part)
                    building.take([calls.get(key) for key in part])
                if not building.is_gap():
                    return building.page()
                between = building.following(between, order)

        return await self._database.fetch(work)

    async def set_metadata(
        self, scope: ProjectScope, kind: CallKind, call_id: str, metadata: JsonObject, /
    ) -> LoggedCall | None:
        """Replace the metadata of a call and return it."""
        async with self._database.write() as tx:
            key = await _key_named(tx, name_of(scope, kind, call_id))
            old = None if key is None else await lock_call(tx, scope, key)
            if key is None or old is None:
                return None
            new = replace(old, metadata=metadata)
            await replace_call(tx, key, new)
        return new

    async def delete(self, scope: ProjectScope, kind: CallKind, call_id: str, /) -> bool:
        """Remove a call and tell whether there was one."""
        async with self._database.write() as tx:
            key = await _key_named(tx, name_of(scope, kind, call_id))
            return key is not None and await remove_call(tx, scope, key)

    async def pin(
        self, scope: ProjectScope, wanted: CallFilter, /, *, limit: int | None
    ) -> AsyncGenerator["array[int]"]:
        """Yield the keys of calls, newest first."""
        query = key_query(scope, wanted.kind, wanted_by(scope, wanted), self._few)
        lowest, highest = keys_between(wanted)
        left = limit
        while left is None or left > 0:
            most = _PINNED_AT_ONCE if left is None else min(left, _PINNED_AT_ONCE)

            async def work(tx: ReadTransaction, most: int = most, highest: int = highest) -> list[int]:
                return await _keys_wanted(tx, query, (lowest, highest), "desc", most)

            keys = await self._database.fetch(work)
            if keys:
                yield array("q", keys)
                highest = keys[-1] - 1
                left = None if left is None else left - len(keys)
            if len(keys) < most:
                return

    async def read(self, scope: ProjectScope, keys: Sequence[int], /) -> Sequence[LoggedCall | None]:
        """Return calls by key."""

        async def work(tx: ReadTransaction) -> list[LoggedCall | None]:
            found: dict[int, LoggedCall] = {}
            for start in range(0, len(keys), _READ_AT_ONCE):
                found |= await read_calls(tx, scope, keys[start : start + _READ_AT_ONCE])
            return [found.get(key) for key in keys]

        return await self._database.fetch(work)

    async def count_stored(self, scope: ProjectScope | None, origins: Sequence[tuple[int, str]], /) -> int:
        """Return how many of these calls are stored or were deleted."""
        by_day: dict[int, set[bytes]] = {}
        for created_at, origin in origins:
            by_day.setdefault(day_of(created_at), set()).add(origin_of(origin))

        async def work(tx: ReadTransaction) -> int:
            count = 0
            for day, hashes in by_day.items():
                first, last = keys_of_day(day)
                project_id = None if scope is None else scope.project_id
                values = {"first": first, "last": last, "origins": list(hashes), "project_id": project_id}
                count += (await tx.execute(_KNOWN, values)).scalar_one()
            return count

        return await self._database.fetch(work)

    async def drop(self, *, before_day: str | None, most_bytes: int | None) -> Sequence[str]:
        """Drop whole days, oldest first, and return them."""
        before = 0 if before_day is None else day_of_text(before_day)
        today = day_of(int(self._clock.now()))
        volumes = await self._database.fetch(sizes)
        left = sum(size for size, _ in volumes.values())
        dropped: list[str] = []
        for day in sorted(volumes):
            is_surplus = most_bytes is not None and left > most_bytes
            if day >= today or not (day < before or is_surplus):
                break
            async with self._database.write() as tx:
                await drop_day(tx, day)
            left -= volumes[day][0]
            dropped.append(day_text(day))
        return dropped

    async def drop_calls(self, scope: ProjectScope, /, *, before_day: str) -> AsyncGenerator[int]:
        """Drop a project's calls of all days before a day, and yield how many each batch had."""
        before = min(day_of_text(before_day), day_of(int(self._clock.now())))
        for day in sorted(await self._database.fetch(days)):
            if day >= before:
                return
            if not await self._database.fetch(partial(has_calls, scope=scope, day=day)):
                continue
            if not await self._database.fetch(partial(has_others, scope=scope, day=day)):
                async with self._database.write() as tx:
                    dropped = await drop_lone_day(tx, scope, day)
                if dropped:
                    yield dropped
                    continue
            is_changed = False
            while dropped := await self._drop_some(scope, day):
                is_changed = True
                yield dropped
            if is_changed:
                async with self._database.write() as tx:
                    await count_day(tx, day)

    async def measure(self) -> LogVolume:
        """Return how much is stored; the calls of large days are the database's estimate."""
        volumes = await self._database.fetch(sizes)
        newest_first = sorted(volumes.items(), reverse=True)
        return LogVolume([DayVolume(day_text(day), calls, size) for day, (size, calls) in newest_first])

    async def count_by_day(self, scope: ProjectScope, /) -> dict[str, int]:
        """Return how many calls of a project are stored of each day; of large days that have many an estimate."""
        terms = terms_of_project(scope)
        found = await self._database.fetch(lambda tx: counts(tx, scope, terms))
        return {day_text(day): calls for day, calls in sorted(found.items(), reverse=True) if calls}

    async def close(self) -> None:
        """Close nothing: the connections are the database's."""

    async def _insert(self, day: int, rows: Sequence[PreparedRow]) -> int:
        if day not in await self._database.fetch(days):
            async with self._database.write() as tx:
                await make_day(tx, day)
        async with self._database.write() as tx:
            return await insert_new_calls(tx, day, rows)

    async def _drop_some(self, scope: ProjectScope, day: int) -> int:
        async with self._database.write() as tx:
            return await drop_some(tx, scope, day, self._dropped_at_once)

    async def _add_to_day(self, day: int, rows: Sequence[PreparedRow]) -> int:
        try:
            added = await self._insert(day, rows)
        except ProgrammingError:
            if day in await self._database.fetch(days):
                raise
            added = await self._insert(day, rows)  # another server has just dropped the day, for a project
        self._added[day] = self._added.get(day, 0) + added
        if added and self._added[day] >= self._counted.get(day, 0) * _GROWTH:
            async with self._database.write() as tx:
                await count_day(tx, day)
            self._counted[day] = self._added[day]
        return added


async def _key_named(tx: ReadTransaction, name: bytes) -> int | None:
    """Return the key of the newest call of a name."""
    key: int | None = (await tx.execute(_NEWEST, {"name": name})).scalar_one_or_none()
    return key


async def _keys_named(tx: ReadTransaction, name: bytes) -> list[int]:
    """Return the smallest and the largest key of calls of a name, deleted or not; nothing if there are none."""
    return [key for key in (await tx.execute(_ENDS, {"name": name})).one() if key is not None]


async def _keys_wanted(
    tx: ReadTransaction, query: KeyQuery, between: tuple[int, int], order: Order, limit: int
) -> list[int]:
    """Return keys in order, day by day until there are enough."""
    # A plan for any values would look into all days, and guess wrong how rare a term is.
    await tx.execute(_PLANNED_ANEW)
    found: list[int] = []
    there = await days(tx)
    for day in there if order == "desc" else reversed(there):
        first, last = keys_of_day(day)
        within = max(first, between[0]), min(last, between[1])
        if within[0] <= within[1]:
            found += await query.keys(tx, within, order, limit - len(found), calls_of_day=there[day])
            if len(found) >= limit:
                break
    return found
