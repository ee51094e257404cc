"""A store in memory that fails as told: what day files and partitions cannot be made to do at a chosen moment."""

from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence

import anyio

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.store import LogPage, LogVolume


class KeepingStore:
    """Keeps calls as told.

    Attributes:
        errors: Raised by what is called next, one at a time.
        refused: Origins that make each `add` fail.
        is_hanging: `add` stores, and never returns.
    """

    def __init__(self) -> None:
        self.calls: list[LoggedCall] = []
        self.batches: list[int] = []
        self.errors: list[Exception] = []
        self.refused: set[str] = set()
        self.is_hanging = False

    @property
    def origins(self) -> list[str]:
        return [call.origin for call in self.calls]

    async def add(self, calls: Sequence[LoggedCall], /) -> int:
        if self.errors:
            raise self.errors.pop(0)
        if self.refused & {call.origin for call in calls}:
            raise ValueError("a text that cannot be stored")
        fresh = [call for call in calls if call.origin not in self.origins]
        self.calls += fresh
        self.batches.append(len(calls))
        if self.is_hanging:
            await anyio.sleep_forever()
        return len(fresh)

    async def count_stored(self, _scope: ProjectScope | None, origins: Sequence[tuple[int, str]], /) -> int:
        if self.errors:
            raise self.errors.pop(0)
        stored = {(call.created_at, call.origin) for call in self.calls}
        return sum((created_at, origin) in stored for created_at, origin in origins)

    async def find(self, scope: ProjectScope, kind: CallKind, call_id: str, /) -> LoggedCall | None:
        raise NotImplementedError

    async def page(
        self, scope: ProjectScope, wanted: CallFilter, /, *, limit: int, order: Order, after: str | None = None
    ) -> LogPage:
        raise NotImplementedError

    async def set_metadata(
        self, scope: ProjectScope, kind: CallKind, call_id: str, metadata: JsonObject, /
    ) -> LoggedCall | None:
        raise NotImplementedError

    async def delete(self, scope: ProjectScope, kind: CallKind, call_id: str, /) -> bool:
        raise NotImplementedError

    def pin(self, scope: ProjectScope, wanted: CallFilter, /, *, limit: int | None) -> AsyncGenerator["array[int]"]:
        raise NotImplementedError

    async def read(self, scope: ProjectScope, keys: Sequence[int], /) -> Sequence[LoggedCall | None]:
        raise NotImplementedError

    async def drop(self, *, before_day: str | None, most_bytes: int | None) -> Sequence[str]:
        raise NotImplementedError

    def drop_calls(self, scope: ProjectScope, /, *, before_day: str) -> AsyncGenerator[int]:
        raise NotImplementedError

    async def measure(self) -> LogVolume:
        raise NotImplementedError

    async def count_by_day(self, scope: ProjectScope, /) -> Mapping[str, int]:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
