"""Rows in a file, one a line: an uploaded file, or the blob of a run's inline rows."""

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import anyio.lowlevel

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.rows.checks import BareItemSearch, RowChecker
from evalhaven.runs.rows.parsing import Line, Row, RowError, lines_of, parse_row
from evalhaven.runs.sources.source import CHUNK_BYTES, CHUNK_ROWS, Cut, Key, PendingRows
from evalhaven.runs.sources.source_file import lines_of_chunk, open_source

_ROWS_BETWEEN_PAUSES = 256
_BYTES_BETWEEN_PAUSES = 1024 * 1024
_SHOWN_LINES = 10


@dataclass(slots=True)
class PendingLine:
    """A line that is to be evaluated."""

    position: int
    repeat: int
    text: bytes

    async def read(self) -> Row:
        """Return the row on the line."""
        return parse_row(self.text, may_be_bare=True)


@dataclass(slots=True)
class _Growing:
    first_position: int
    byte_start: int
    row_count: int = 0
    byte_end: int = 0


class FileRows:
    """The lines of a run's file; those of an uploaded file are checked when the run is planned."""

    def __init__(self, engine: Engine, run: Run, chunk_bytes: int = CHUNK_BYTES) -> None:
        """Open nothing yet.

        Args:
            engine: What runs are executed with.
            run: A run whose rows are in a file.
            chunk_bytes: Length of a chunk, unless a single line is longer.
        """
        self._engine = engine
        self._run = run
        self._chunk_bytes = chunk_bytes

    async def cut(self, schema: ItemSchema, is_stopped: Callable[[], bool]) -> Cut:
        """Return the lines cut into chunks: the file is read once, or twice if its rows are bare."""
        growing: list[_Growing] = []
        problems: list[str] = []
        position = 0
        # Inline rows were checked when the run was created.
        checker = None if self._run.has_inline_rows else await self._checker(schema, is_stopped)
        async with aclosing(self._lines(is_stopped)) as lines:
            async for line in lines:
                try:
                    if checker is not None:
                        checker.check(line.text, f"line {line.number}")
                except RowError as error:
                    problems.append(f"line {line.number}: {error}")
                    if len(problems) == _SHOWN_LINES:
                        break
                if (
                    not growing
                    or growing[-1].row_count == CHUNK_ROWS
                    or line.end - growing[-1].byte_start > self._chunk_bytes
                ):
                    growing.append(_Growing(position, line.start))
                growing[-1].row_count += 1
                growing[-1].byte_end = line.end
                position += 1
        if problems:
            rest = " The lines after these were not looked at." if len(problems) == _SHOWN_LINES else ""
            raise InvalidRowsError(f"The data source has rows that cannot be used: {' '.join(problems)}{rest}")
        if position == 0:
            raise InvalidRowsError('The data source has no rows; a row is a line such as {"item": {…}}.')
        chunks = [
            Chunk(number, each.first_position, each.row_count, each.byte_start, each.byte_end)
            for number, each in enumerate(growing)
        ]
        return Cut(chunks, () if checker is None else checker.notices.cautions)

    @asynccontextmanager
    async def open_rows(self, chunk: Chunk, stored: Collection[Key]) -> AsyncGenerator[PendingRows]:
        """Open the lines of a chunk with repetitions still to be evaluated; the file stays open meanwhile."""
        repeats = range(self._run.repeats)
        with open_source(self._engine, self._run) as file:
            yield (
                PendingLine(position, repeat, line.text)
                for position, line in enumerate(lines_of_chunk(file, self._run, chunk), start=chunk.first_position)
                for repeat in repeats
                if (position, repeat) not in stored
            )

    async def _checker(self, schema: ItemSchema, is_stopped: Callable[[], bool]) -> RowChecker:
        """Return the checker for the rows of the file; if the first rows are bare, all rows are looked at."""
        search = BareItemSearch()
        async with aclosing(self._lines(is_stopped)) as lines:
            async for line in lines:
                if not search.look(line.text):
                    break
        run = self._run
        return RowChecker(schema, is_sampled=run.is_sampled, is_strict=run.options.strict, are_bare=search.are_bare)

    async def _lines(self, is_stopped: Callable[[], bool]) -> AsyncGenerator[Line]:
        """Yield the lines of the file, letting other tasks run in between."""
        try:
            with open_source(self._engine, self._run) as file:
                paused_at = 0
                for count, line in enumerate(lines_of(file, start=0, end=self._run.source_bytes)):
                    if count % _ROWS_BETWEEN_PAUSES == 0 or line.start - paused_at > _BYTES_BETWEEN_PAUSES:
                        paused_at = line.start
                        await anyio.lowlevel.checkpoint()
                        if is_stopped():
                            raise RunStoppedError
                    yield line
        except FileNotFoundError as error:
            raise InvalidRowsError(f"The file {self._run.file_id!r} of the data source is gone.") from error
        except RowError as error:
            raise InvalidRowsError(f"The data source cannot be read: {error}") from error
