"""Rows that are output items already: those of another run that are graded again, and errored ones tried again."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import cast

import anyio

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.samples import NO_SAMPLE, ItemError, Sample, sample_namespace
from evalhaven.domain.statuses import ItemStatus
from evalhaven.runs.engine import Engine
from evalhaven.runs.rows.parsing import Row
from evalhaven.runs.sources.source_file import lines_of_chunk, open_source
from evalhaven.storage.output_items import list_stored_positions
from evalhaven.storage.regrading import list_errored_positions, list_items_by_position

_PAGE_ROWS = 256
_PAGE_BYTES = 2 * 1024 * 1024
_ERRED_ELSEWHERE = ItemError(
    "imported_error", "The item erred on the server that it comes from, which did not say why.", "sampling"
)

Key = tuple[int, int]
"""Position and number of the repeat."""


@dataclass(frozen=True, slots=True)
class StoredRow(Row):
    """An output item as a row.

    Attributes:
        stored: The output item; of another run's without its grades, which nobody needs.
        readable: Its sample with what templates and graders see of it.
        is_own: Whether it is the run's own, which is to be mended.
    """

    stored: OutputItem | None = None
    readable: Sample = NO_SAMPLE
    is_own: bool = False

    @property
    def sample(self) -> Sample:
        """Return the sample of the output item."""
        return self.readable


class StoredRows:
    """Gives output items of one run, a page at a time, to tasks that take them in about their order."""

    def __init__(self, engine: Engine, run: Run, run_key: int, keys: Sequence[Key], chunk: Chunk) -> None:
        """Read nothing yet.

        Args:
            engine: What runs are executed with.
            run: The run that is executed.
            run_key: The run whose output items they are: that one, or the one that it grades again.
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

    def __iter__(self) -> "Iterator[tuple[int, int, StoredRows]]":
        return ((position, repeat, self) for position, repeat in self._keys)

    async def take(self, position: int, repeat: int) -> StoredRow:
        """Return one of the rows; each is given once."""
        item = self._page.pop((position, repeat), None)
        if item is None:
            async with self._reading:
                while (position, repeat) not in self._page:
                    await self._engine.patience.persist(self._read_page)
                item = self._page.pop((position, repeat))
        parsed = cast("JsonObject", jsontext.parse(item.item_text))
        return StoredRow(parsed, item.item_text, None, "", item, readable_sample(item), self._is_own)

    async def _read_page(self) -> None:
        keys = self._keys[self._next : self._next + self._page_rows]
        if not keys:
            raise LookupError("an output item that is to be evaluated again is gone")
        found: list[OutputItem] = []
        # A query that is cut short costs its connection.
        with anyio.CancelScope(shield=True):
            found = await self._list_items(keys)
        self._page.update({(item.position, item.repeat): item for item in found})
        self._next += len(keys)

    async def _list_items(self, keys: Sequence[Key]) -> list[OutputItem]:
        async with self._engine.database.read() as tx:
            return await list_items_by_position(tx, self._run.scope, self._run_key, keys, with_grades=self._is_own)


Rows = Iterator[tuple[int, int, bytes | StoredRows]]
"""Positions, numbers of the repeat, and the JSON text of the row that stands there or where it is taken from."""


def readable_sample(item: OutputItem) -> Sample:
    """Return the sample of a stored item with what templates and graders see of it."""
    sample = item.sample
    if sample is NO_SAMPLE or sample.recorded_text is not None or sample.error is not None:
        return sample
    if item.imported_text is not None and not _says_something(sample):
        # Graded again it would become a 0 that nobody gave.
        return replace(sample, error=_ERRED_ELSEWHERE) if item.status is ItemStatus.ERROR else NO_SAMPLE
    return replace(sample, namespace=sample_namespace(sample.output, sample.finish_reason, sample.model))


def _says_something(sample: Sample) -> bool:
    spoken = ("content", "tool_calls", "function_call", "refusal", "audio")
    return any(isinstance(message, dict) and any(map(message.get, spoken)) for message in sample.output)


@asynccontextmanager
async def open_missing_rows(engine: Engine, run: Run, chunk: Chunk, repeats: int) -> AsyncGenerator[Rows]:
    """Open the rows of a chunk that have no output item yet, or an errored one where the run is tried again.

    Several tasks may take from them.

    Args:
        engine: What runs are executed with.
        run: The run.
        chunk: One of its chunks.
        repeats: How often each row of its source is evaluated.
    """
    place = (run.scope, run.key, chunk.first_position, chunk.position_count)

    async def list_stored() -> tuple[set[Key], list[Key]]:
        async with engine.database.read() as tx:
            stored = await list_stored_positions(tx, *place)
            errored = await list_errored_positions(tx, *place) if run.times_retried else []
            return stored, errored

    stored, errored = await engine.patience.persist(list_stored)
    again = iter(StoredRows(engine, run, run.key, errored, chunk)) if errored else iter(())
    if len(stored) == chunk.row_count * repeats:
        # The source may be gone by now, and is not needed.
        yield again
    elif run.regrading is not None:
        keys = await engine.patience.persist(lambda: _list_source(engine, run, chunk))
        missing = [key for key in keys if key not in stored]
        yield chain(again, StoredRows(engine, run, run.regrading.source_key, missing, chunk))
    else:
        with open_source(engine, run) as file:
            lines = lines_of_chunk(file, run, chunk)
            missing_lines = (
                (position, repeat, line.text)
                for position, line in enumerate(lines, start=chunk.first_position)
                for repeat in range(repeats)
                if (position, repeat) not in stored
            )
            yield chain(again, missing_lines) if errored else missing_lines


async def _list_source(engine: Engine, run: Run, chunk: Chunk) -> list[Key]:
    if run.regrading is None:
        return []
    async with engine.database.read() as tx:
        keys = await list_stored_positions(
            tx, run.scope, run.regrading.source_key, chunk.first_position, chunk.position_count
        )
    return sorted(keys)
