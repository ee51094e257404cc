"""What a store of logged calls can do."""

from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of a list, and whether more follow it."""

    calls: Sequence[LoggedCall]
    has_more: bool


@dataclass(frozen=True, slots=True)
class DayVolume:
    """How much is stored of a UTC day.

    Attributes:
        day: The day, as `2026-11-28`.
        calls: Number of its calls; an estimate where counting would be slow.
        size_bytes: Bytes on disk.
    """

    day: str
    calls: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LogVolume:
    """How much is stored.

    Attributes:
        days: The days that have calls, newest first.
    """

    days: Sequence[DayVolume]

    @property
    def calls(self) -> int:
        """Return the number of calls."""
        return sum(each.calls for each in self.days)

    @property
    def size_bytes(self) -> int:
        """Return the bytes on disk."""
        return sum(each.size_bytes for each in self.days)

    @property
    def oldest_day(self) -> str | None:
        """Return the oldest day that has calls; None if there are none."""
        return self.days[-1].day if self.days else None


class LogStore(Protocol):
    """Keeps logged calls by the UTC day of their creation; safe to use from several processes."""

    async def add(self, calls: Sequence[LoggedCall], /) -> int:
        """Store calls in one durable batch and return how many are new: one whose `origin` is stored is skipped."""
        ...

    async def find(self, scope: ProjectScope, kind: CallKind, call_id: str, /) -> LoggedCall | None:
        """Return a call by its public id; the newest if an endpoint gave an id twice."""
        ...

    async def page(
        self, scope: ProjectScope, wanted: CallFilter, /, *, limit: int, order: Order, after: str | None = None
    ) -> LogPage:
        """Return a page of calls by time of creation, then order of arrival.

        Args:
            scope: The project.
            wanted: Which calls.
            limit: Most calls on the page.
            order: Which end comes first.
            after: Public id of the last call of the page before.

        Raises:
            InvalidRequestError: There is no call `after`.
        """
        ...

    async def set_metadata(
        self, scope: ProjectScope, kind: CallKind, call_id: str, metadata: JsonObject, /
    ) -> LoggedCall | None:
        """Replace the metadata of a call and return it; None if there is none."""
        ...

    async def delete(self, scope: ProjectScope, kind: CallKind, call_id: str, /) -> bool:
        """Remove a call and tell whether there was one."""
        ...

    def pin(self, scope: ProjectScope, wanted: CallFilter, /, *, limit: int | None) -> AsyncGenerator["array[int]"]:
        """Yield the keys of calls, newest first, some thousands at a time; a key is a positive 63-bit number."""
        ...

    async def read(self, scope: ProjectScope, keys: Sequence[int], /) -> Sequence[LoggedCall | None]:
        """Return calls by key, in the order of the keys; None for one that has been deleted or dropped since."""
        ...

    async def count_stored(self, scope: ProjectScope | None, origins: Sequence[tuple[int, str]], /) -> int:
        """Return how many of these calls are stored or were deleted; each is a time of creation and an `origin`."""
        ...

    async def drop(self, *, before_day: str | None, most_bytes: int | None) -> Sequence[str]:
        """Drop whole days, oldest first, and return them: all before a day, and as many as the size demands.

        Today is never dropped.
        """
        ...

    def drop_calls(self, scope: ProjectScope, /, *, before_day: str) -> AsyncGenerator[int]:
        """Drop a project's calls of all days before a day, oldest day first, and yield how many each batch had.

        A batch is dropped as a whole or not at all, and what is left of a call is what is left of one whose day was
        dropped: nothing. A day that has calls of no other project is dropped as such. Today's calls stay.
        """
        ...

    async def measure(self) -> LogVolume:
        """Return how much is stored, of all projects."""
        ...

    async def count_by_day(self, scope: ProjectScope, /) -> Mapping[str, int]:
        """Return how many calls of a project are stored of each day that has some, newest first.

        A number is an estimate where counting would be slow.
        """
        ...

    async def close(self) -> None:
        """Close all files and connections of its own."""
        ...
