"""Logged calls as the source of a run: which ones is decided once, when the run is planned.

Their keys, newest call first, are written into the run's blob, 8 bytes each, and a chunk is a slice of it. So calls
that are stored or deleted later move no position, and a run that is taken up again reads the same calls.
"""

import sys
from array import array
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial

import anyio.to_thread

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.rows.checks import RowChecker
from evalhaven.runs.rows.parsing import RowError
from evalhaven.runs.sources.call_filters import LoggedSource, call_filter, no_match
from evalhaven.runs.sources.logged_rows import LoggedRows
from evalhaven.runs.sources.source import CHUNK_ROWS, Cut, Key, PendingRows
from evalhaven.storage.evals import get_eval_by_key

_KEY_BYTES = 8
_SHOWN_CALLS = 10


class LoggedCalls:
    """The logged calls that a run's source and its eval select."""

    def __init__(self, engine: Engine, run: Run, source: LoggedSource) -> None:
        """Select nothing yet.

        Args:
            engine: What runs are executed with.
            run: A run over logged calls.
            source: Its source.
        """
        self._engine = engine
        self._run = run
        self._source = source

    async def cut(self, schema: ItemSchema, is_stopped: Callable[[], bool]) -> Cut:
        """Pin the calls and return them cut into chunks; only those of an eval with an item schema are read for it."""
        async with self._engine.database.read() as tx:
            parent = await get_eval_by_key(tx, self._run.scope, self._run.eval_key)
        count = await self._engine.patience.persist(partial(self._pin, parent, is_stopped))
        if not count:
            raise no_match(self._source, parent)
        chunks = [_chunk(number, first, count) for number, first in enumerate(range(0, count, CHUNK_ROWS))]
        has_schema = parent.item_schema is not True
        return Cut(chunks, await self._check(chunks, schema, is_stopped) if has_schema else ())

    @asynccontextmanager
    async def open_rows(self, chunk: Chunk, stored: Collection[Key]) -> AsyncGenerator[PendingRows]:
        """Open the calls of a chunk that have no output item yet; each is read when its turn comes."""
        positions = range(chunk.first_position, chunk.first_position + chunk.row_count)
        keys = [(position, repeat) for position in positions for repeat in range(self._run.repeats)]
        yield iter(self._rows(chunk, [key for key in keys if key not in stored]))

    async def _pin(self, parent: Eval, is_stopped: Callable[[], bool]) -> int:
        """Write the keys of the calls into the run's blob and return their number."""
        engine, run = self._engine, self._run
        wanted = call_filter(self._source, parent)
        with engine.blobs.writer() as writer:
            async with aclosing(engine.log_store.pin(run.scope, wanted, limit=self._source.limit)) as pages:
                async for keys in pages:
                    if is_stopped():
                        raise RunStoppedError
                    await anyio.to_thread.run_sync(writer.write, _bytes_of(keys))
            if writer.size_bytes:
                # It stays marked until rows are read: whoever deletes the run meanwhile may be done before it is named.
                await anyio.to_thread.run_sync(writer.commit, run.scope, run.id)
            return writer.size_bytes // _KEY_BYTES

    def _rows(self, chunk: Chunk, wanted: Sequence[Key]) -> LoggedRows:
        calls = dict(enumerate(self._pinned(chunk), start=chunk.first_position))
        return LoggedRows(self._engine, self._run.scope, calls, wanted)

    def _pinned(self, chunk: Chunk) -> "array[int]":
        """Return the keys of a chunk's calls.

        Raises:
            RowError: The blob is gone or too short.
        """
        blobs, run = self._engine.blobs, self._run
        try:
            with blobs.open(run.scope, run.id) as blob:
                blob.seek(chunk.byte_start)
                raw = blob.read(chunk.size_bytes)
        except FileNotFoundError:
            raw = b""
        if len(raw) < chunk.size_bytes:
            raise RowError(f"which calls the rows from position {chunk.first_position} on are is no longer there.")
        blobs.confirm(run.scope, run.id)
        return _keys_of(raw)

    async def _check(
        self, chunks: list[Chunk], schema: ItemSchema, is_stopped: Callable[[], bool]
    ) -> Sequence[Caution]:
        """Check the items of the calls.

        Raises:
            InvalidRowsError: Some break the schema; up to ten are named.
        """
        run = self._run
        checker = RowChecker(schema, is_sampled=run.is_sampled, is_strict=run.options.strict, are_bare=False)
        problems: list[str] = []
        for chunk in chunks:
            end = chunk.first_position + chunk.row_count
            for pending in self._rows(chunk, [(position, 0) for position in range(chunk.first_position, end)]):
                row = await pending.read()
                if is_stopped():
                    raise RunStoppedError
                if row.error is not None:
                    continue
                place = f"call {row.item['id']!r}"
                try:
                    checker.check(f'{{"item":{row.item_text}}}'.encode(), place)
                except RowError as error:
                    problems.append(f"{place}: {error}")
                if len(problems) == _SHOWN_CALLS:
                    break
            if problems:
                raise InvalidRowsError(f"The data source has calls that cannot be used: {' '.join(problems)}")
        return checker.notices.cautions


def _chunk(number: int, first: int, count: int) -> Chunk:
    last = min(first + CHUNK_ROWS, count)
    return Chunk(number, first, last - first, _KEY_BYTES * first, _KEY_BYTES * last)


def _bytes_of(keys: "array[int]") -> bytes:
    return _little_endian(array("q", keys)).tobytes()


def _keys_of(raw: bytes) -> "array[int]":
    keys = array("q")
    keys.frombytes(raw)
    return _little_endian(keys)


def _little_endian(keys: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        keys.byteswap()
    return keys
