"""Rows that are output items already: another run's items to be graded again, or errored items to be retried."""

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple, cast

import anyio
import anyio.lowlevel
import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Chunk, Regrading, Run
from evalhaven.domain.samples import NO_SAMPLE, ItemError, Sample, namespace_of
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.statuses import ItemStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.rows.parsing import Row
from evalhaven.runs.sources.source import CHUNK_BYTES, CHUNK_ROWS, Cut, Key, PendingRows
from evalhaven.storage.output_items import list_stored_positions
from evalhaven.storage.regrading import list_items_by_position, list_position_sizes

_POSITIONS_AT_ONCE = 5_000
_PAGE_ROWS = 256
_PAGE_BYTES = 2 * 1024 * 1024
_ERRED_ELSEWHERE = ItemError(
    "imported_error", "The item erred on the server it comes from, which did not say why.", "sampling"
)


class StoredRow(Row, frozen=True):
    """An output item as a row.

    Attributes:
        stored: The output item; if it is another run's, without its grades, which are not needed.
        readable: Its sample with the namespace that templates and graders see.
        is_own: Whether the item is the run's own and is to be mended.
    """

    stored: OutputItem | None = None
    readable: Sample = NO_SAMPLE
    is_own: bool = False

    @property
    def sample(self) -> Sample:
        """Return the sample of the output item."""
        return self.readable


class StoredRows:
    """Gives output items of one run, read a page at a time, to tasks that take them roughly in order."""

    def __init__(self, engine: Engine, run: Run, run_key: int, keys: Sequence[Key], chunk: Chunk) -> None:
        """Read nothing yet.

        Args:
            engine: What runs are executed with.
            run: The run that is executed.
            run_key: The run that owns the output items: the same run, or the one whose samples it grades.
            keys: Which of them, in order.
            chunk: The chunk that they are in.
        """
        self._engine = engine
        self._run = run
        self._run_key = run_key
        self._keys = keys
        self._page_rows = max(1, min(_PAGE_ROWS, _PAGE_BYTES * chunk.row_count // max(1, chunk.size_bytes)))
        self._is_own = run_key == run.key
        self._next = 0
        self._page: dict[Key, OutputItem] = {}
        self._reading = anyio.Lock()

    def __iter__(self) -> "Iterator[PendingOutputItem]":
        return (PendingOutputItem(position, repeat, self) for position, repeat in self._keys)

    async def take(self, position: int, repeat: int) -> StoredRow:
        """Return one of the rows; each can be taken once."""
        item = self._page.pop((position, repeat), None)
        if item is None:
            async with self._reading:
                while (position, repeat) not in self._page:
                    await self._engine.patience.persist(self._read_page)
                item = self._page.pop((position, repeat))
        parsed = cast("JsonObject", jsontext.parse(item.item_text))
        readable = readable_sample(item)
        return StoredRow(parsed, item.item_text, stored=item, readable=readable, is_own=self._is_own)

    async def _read_page(self) -> None:
        keys = self._keys[self._next : self._next + self._page_rows]
        if not keys:
            raise LookupError("an output item that is to be evaluated again is gone")
        found: list[OutputItem] = []
        # A query that is interrupted costs its connection.
        with anyio.CancelScope(shield=True):
            found = await self._list_items(keys)
        self._page.update({(item.position, item.repeat): item for item in found})
        self._next += len(keys)

    async def _list_items(self, keys: Sequence[Key]) -> list[OutputItem]:
        async with self._engine.database.read() as tx:
            return await list_items_by_position(tx, self._run.scope, self._run_key, keys, with_grades=self._is_own)


class PendingOutputItem(NamedTuple):
    """An output item that is to be evaluated again."""

    position: int
    repeat: int
    rows: StoredRows

    async def read(self) -> Row:
        """Return the output item as a row."""
        return await self.rows.take(self.position, self.repeat)


class OutputItemsOfRun:
    """The output items of another run, whose samples are graded again."""

    def __init__(self, engine: Engine, run: Run, regrading: Regrading) -> None:
        self._engine = engine
        self._run = run
        self._regrading = regrading

    async def cut(self, _schema: ItemSchema, is_stopped: Callable[[], bool]) -> Cut:
        """Return the output items cut into chunks of positions; they were checked when the other run was planned."""
        chunks: list[Chunk] = []
        above = -1
        while True:
            async with self._engine.database.read() as tx:
                page = await list_position_sizes(
                    tx, self._run.scope, self._regrading.source_key, above, _POSITIONS_AT_ONCE
                )
            if not page:
                break
            for position, count, size in page:
                last = chunks[-1] if chunks else None
                if last is None or last.row_count + count > CHUNK_ROWS or last.size_bytes + size > CHUNK_BYTES:
                    chunks.append(Chunk(len(chunks), position, count, 0, size, position))
                else:
                    longer = {"row_count": last.row_count + count, "byte_end": last.byte_end + size}
                    chunks[-1] = replace(last, **longer, last_position=position)
            above = page[-1][0]
            await anyio.lowlevel.checkpoint()
            if is_stopped():
                raise RunStoppedError
        if not chunks:
            raise InvalidRowsError(
                f"Run {self._regrading.run_id!r}, whose samples are to be graded, has no output items."
            )
        return Cut(chunks)

    @asynccontextmanager
    async def open_rows(self, chunk: Chunk, stored: Collection[Key]) -> AsyncGenerator[PendingRows]:
        """Open the output items of a chunk that are not graded yet, every repetition that the other run made."""
        keys = await self._engine.patience.persist(partial(self._list_keys, chunk))
        missing = [key for key in keys if key not in stored]
        yield iter(StoredRows(self._engine, self._run, self._regrading.source_key, missing, chunk))

    async def _list_keys(self, chunk: Chunk) -> list[Key]:
        place = (self._run.scope, self._regrading.source_key, chunk.first_position, chunk.position_count)
        async with self._engine.database.read() as tx:
            return sorted(await list_stored_positions(tx, *place))


def readable_sample(item: OutputItem) -> Sample:
    """Return the sample of a stored item with the namespace that templates and graders see."""
    sample = item.sample
    if sample is NO_SAMPLE or sample.recorded_text is not None or sample.error is not None:
        return sample
    if item.imported_text is not None and not _says_something(sample):
        # Graded again, it would get a 0 that no grader gave.
        return msgspec.structs.replace(sample, error=_ERRED_ELSEWHERE) if item.status is ItemStatus.ERROR else NO_SAMPLE
    return msgspec.structs.replace(sample, namespace=namespace_of(sample))


def _says_something(sample: Sample) -> bool:
    spoken = ("content", "tool_calls", "function_call", "refusal", "audio")
    return any(isinstance(message, dict) and any(map(message.get, spoken)) for message in sample.output)
