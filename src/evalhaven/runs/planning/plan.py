"""The plan of a run: its rows checked, then cut into chunks, before anything is executed.

Planning is repeated from the start after a kill: the chunks of a plan that was cut short are forgotten, and a run
counts as planned only from the transaction that says so, after all of its chunks are stored.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import anyio.lowlevel
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.evals import Caution
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.planning.regraded_plan import cut_output_items
from evalhaven.runs.rows.checks import BareItemSearch, RowChecker
from evalhaven.runs.rows.parsing import Line, RowError, lines_of
from evalhaven.runs.sources.source_file import open_source
from evalhaven.storage.chunks import delete_chunks, insert_chunks
from evalhaven.storage.runs import lock_tally, save_plan

CHUNK_ROWS = 500
CHUNK_BYTES = 8 * 1024 * 1024
_CHUNKS_A_TRANSACTION = 64
_ROWS_BETWEEN_PAUSES = 256
_BYTES_BETWEEN_PAUSES = 1024 * 1024
_SHOWN_LINES = 10


@dataclass(slots=True)
class _Cut:
    first_position: int
    byte_start: int
    row_count: int = 0
    byte_end: int = 0


class RunPlanner:
    """Checks and cuts the rows of one run."""

    def __init__(self, engine: Engine, run: Run, is_stopped: Callable[[], bool]) -> None:
        self._engine = engine
        self._run = run
        self._is_stopped = is_stopped
        self._cautions: Sequence[Caution] = ()

    async def plan_run(self, schema: ItemSchema) -> int:
        """Store the chunks of the run and mark it as planned; return the number of its items.

        Raises:
            DamagedFileError: The file is not as long as it was when it was accepted.
            InvalidRowsError: The file is gone, has no rows, or rows break the schema: names up to ten lines.
            RunStoppedError: The run was canceled or deleted meanwhile.
        """
        chunks = await self._cut(schema)
        items_planned = sum(chunk.row_count for chunk in chunks) * run_repeats(self._run)
        await self._store(delete_chunks)
        for first in range(0, len(chunks), _CHUNKS_A_TRANSACTION):
            await self._store(partial(insert_chunks, new=chunks[first : first + _CHUNKS_A_TRANSACTION]))
        await self._store(partial(save_plan, items_planned=items_planned, cautions=self._cautions))
        return items_planned

    async def _store(self, write: Callable[[AsyncConnection, ProjectScope, int], Awaitable[None]]) -> None:
        async with self._engine.database.write() as tx:
            status, _ = await lock_tally(tx, self._run.scope, self._run.key)
            if status is not RunStatus.IN_PROGRESS:
                raise RunStoppedError
            await write(tx, self._run.scope, self._run.key)

    async def _cut(self, schema: ItemSchema) -> list[Chunk]:
        """Return a run's chunks; a few numbers for each 500 rows are all that is held."""
        regrading = self._run.regrading
        if regrading is not None:
            return await cut_output_items(self._engine, self._run, regrading, self._is_stopped, CHUNK_ROWS, CHUNK_BYTES)
        cuts: list[_Cut] = []
        problems: list[str] = []
        position = 0
        # Inline rows were checked when the run was created.
        checker = None if self._run.has_inline_rows else await self._checker(schema)
        async with aclosing(self._lines()) as lines:
            async for line in lines:
                try:
                    if checker is not None:
                        checker.check(line.text, f"line {line.number}")
                except RowError as error:
                    problems.append(f"line {line.number}: {error}")
                    if len(problems) == _SHOWN_LINES:
                        break
                if not cuts or cuts[-1].row_count == CHUNK_ROWS or line.end - cuts[-1].byte_start > CHUNK_BYTES:
                    cuts.append(_Cut(position, line.start))
                cuts[-1].row_count += 1
                cuts[-1].byte_end = line.end
                position += 1
        if problems:
            rest = " The lines after these were not looked at." if len(problems) == _SHOWN_LINES else ""
            raise InvalidRowsError(f"The data source has rows that cannot be used: {' '.join(problems)}{rest}")
        if position == 0:
            raise InvalidRowsError('The data source has no rows; a row is a line such as {"item": {…}}.')
        if checker is not None:
            self._cautions = checker.notices.cautions
        return [
            Chunk(number, cut.first_position, cut.row_count, cut.byte_start, cut.byte_end)
            for number, cut in enumerate(cuts)
        ]

    async def _checker(self, schema: ItemSchema) -> RowChecker:
        """Return what checks the rows of the file, of which all are looked at where the first ones are bare."""
        search = BareItemSearch()
        async with aclosing(self._lines()) as lines:
            async for line in lines:
                if not search.look(line.text):
                    break
        run = self._run
        return RowChecker(schema, is_sampled=run.is_sampled, is_strict=run.options.strict, are_bare=search.are_bare)

    async def _lines(self) -> AsyncGenerator[Line]:
        """Yield the lines of the run's source, letting other work go on in between."""
        try:
            with open_source(self._engine, self._run) as file:
                paused_at = 0
                for count, line in enumerate(lines_of(file, start=0, end=self._run.source_bytes)):
                    if count % _ROWS_BETWEEN_PAUSES == 0 or line.start - paused_at > _BYTES_BETWEEN_PAUSES:
                        paused_at = line.start
                        await anyio.lowlevel.checkpoint()
                        if self._is_stopped():
                            raise RunStoppedError
                    yield line
        except FileNotFoundError as error:
            raise InvalidRowsError(f"The file {self._run.file_id!r} of the data source is gone.") from error
        except RowError as error:
            raise InvalidRowsError(f"The data source cannot be read: {error}") from error


def run_repeats(run: Run) -> int:
    """Return how many output items each row of a run comes to."""
    return run.options.repeats if run.is_sampled else 1
