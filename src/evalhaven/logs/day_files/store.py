"""The store of logged calls beside SQLite."""

from array import array
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from evalhaven.domain.clock import Clock
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.day_files.changes import remove, replace_metadata
from evalhaven.logs.day_files.files import DayFiles
from evalhaven.logs.day_files.limits import DayFileLimits
from evalhaven.logs.facts import name_of, wanted_by
from evalhaven.logs.keys import day_of, day_of_text, day_text
from evalhaven.logs.pages import PageBuilder, keys_after, keys_between
from evalhaven.logs.store import DayVolume, LogPage, LogVolume

T = TypeVar("T")

_PINNED_AT_ONCE = 8_192
_THREADS = 8


class DayFileStore:
    """Keeps logged calls in day files; what waits for the disk does so in threads."""

    def __init__(self, path: Path, clock: Clock, limits: DayFileLimits | None = None) -> None:
        """Use a directory, which is made with the first call.

        Args:
            path: The directory.
            clock: Tells which day is today.
            limits: How much its files take, and how long others may keep them locked; None: the default.
        """
        self._files = DayFiles(path, limits or DayFileLimits())
        self._clock = clock
        self._threads = anyio.CapacityLimiter(_THREADS)

    async def add(self, calls: Sequence[LoggedCall], /) -> int:
        """Store calls, each day's in one transaction or a few, and return how many are new."""
        return await self._in_thread(self._files.add, calls)

    async def find(self, scope: ProjectScope, kind: CallKind, call_id: str, /) -> LoggedCall | None:
        """Return a call by its public id."""

        def work() -> LoggedCall | None:
            keys = self._files.keys_named(name_of(scope, kind, call_id))
            return self._files.read(scope, keys[:1])[0] if keys else None

        return await self._in_thread(work)

    async def page(
        self, scope: ProjectScope, wanted: CallFilter, /, *, limit: int, order: Order, after: str | None = None
    ) -> LogPage:
        """Return a page of calls."""

        def work() -> LogPage:
            between = keys_between(wanted)
            if after is not None:
                kinds = list(CallKind) if wanted.kind is None else [wanted.kind]
                names = [name_of(scope, kind, after) for kind in kinds]
                found = [key for name in names for key in self._files.keys_named(name, only_stored=False)]
                between = keys_after(between, order, found, after)
            while True:
                keys = self._files.keys_wanted(wanted_by(scope, wanted), between, order, limit + 1)
                building = PageBuilder(keys, limit)
                while part := building.next_keys():
                    building.take(self._files.read(scope, part))
                if not building.is_gap():
                    return building.page()
                between = building.following(between, order)

        return await self._in_thread(work)

    async def set_metadata(
        self, scope: ProjectScope, kind: CallKind, call_id: str, metadata: JsonObject, /
    ) -> LoggedCall | None:
        """Replace the metadata of a call and return it."""
        work = partial(replace_metadata, scope=scope, metadata=metadata)
        return await self._in_thread(self._files.change, name_of(scope, kind, call_id), work)

    async def delete(self, scope: ProjectScope, kind: CallKind, call_id: str, /) -> bool:
        """Remove a call and tell whether there was one."""
        return bool(
            await self._in_thread(self._files.change, name_of(scope, kind, call_id), partial(remove, scope=scope))
        )

    async def pin(
        self, scope: ProjectScope, wanted: CallFilter, /, *, limit: int | None
    ) -> AsyncGenerator["array[int]"]:
        """Yield the keys of calls, newest first."""
        facts, (lowest, highest) = wanted_by(scope, wanted), keys_between(wanted)
        left = limit
        while left is None or left > 0:
            most = _PINNED_AT_ONCE if left is None else min(left, _PINNED_AT_ONCE)
            keys = await self._in_thread(self._files.keys_wanted, facts, (lowest, highest), "desc", most)
            if keys:
                yield keys
                highest = keys[-1] - 1
                left = None if left is None else left - len(keys)
            if len(keys) < most:
                return

    async def read(self, scope: ProjectScope, keys: Sequence[int], /) -> Sequence[LoggedCall | None]:
        """Return calls by key."""
        return await self._in_thread(self._files.read, scope, keys)

    async def count_stored(self, scope: ProjectScope | None, origins: Sequence[tuple[int, str]], /) -> int:
        """Return how many of these calls are stored or were deleted."""
        return await self._in_thread(self._files.count_known, scope, origins)

    async def drop(self, *, before_day: str | None, most_bytes: int | None) -> Sequence[str]:
        """Drop whole days, oldest first, and return them."""
        today = day_of(int(self._clock.now()))
        before = 0 if before_day is None else day_of_text(before_day)
        work = partial(self._files.drop, before, today, most_bytes)
        return [day_text(day) for day in await self._in_thread(work)]

    async def drop_calls(self, scope: ProjectScope, /, *, before_day: str) -> AsyncGenerator[int]:
        """Drop a project's calls of all days before a day, and yield how many each batch had."""
        before = min(day_of_text(before_day), day_of(int(self._clock.now())))
        for day in await self._in_thread(self._files.days_before, before):
            while dropped := await self._in_thread(self._files.drop_calls, scope, day):
                yield dropped

    async def measure(self) -> LogVolume:
        """Return how much is stored."""
        volumes = await self._in_thread(self._files.measure)
        return LogVolume([DayVolume(day_text(day), calls, size) for day, calls, size in volumes])

    async def count_by_day(self, scope: ProjectScope, /) -> dict[str, int]:
        """Return how many calls of a project are stored of each day."""
        counts = await self._in_thread(self._files.count_by_day, scope)
        return {day_text(day): calls for day, calls in counts.items()}

    async def close(self) -> None:
        """Close all files."""
        await anyio.to_thread.run_sync(self._files.close)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await anyio.to_thread.run_sync(partial(work, *arguments), limiter=self._threads)
