"""The plan of a run: its rows checked, then cut into chunks, before anything is executed.

Planning starts over after a kill: the chunks of an interrupted plan are deleted, and a run
counts as planned only once `items_planned` is committed, after all of its chunks are stored.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.runs import Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.sources.choice import source_of
from evalhaven.storage.chunks import delete_chunks, insert_chunks
from evalhaven.storage.run_writes import save_plan
from evalhaven.storage.runs import lock_tally


class RunPlanner:
    """Has the rows of one run checked and cut into chunks, and stores the chunks."""

    def __init__(
        self, engine: Engine, run: Run, is_stopped: Callable[[], bool], chunks_a_transaction: int = 64
    ) -> None:
        """Plan nothing yet.

        Args:
            engine: What runs are executed with.
            run: The run.
            is_stopped: Tells whether planning is to end.
            chunks_a_transaction: How many chunks are stored at once.
        """
        self._engine = engine
        self._run = run
        self._source = source_of(engine, run)
        self._is_stopped = is_stopped
        self._chunks_a_transaction = chunks_a_transaction

    async def plan_run(self, schema: ItemSchema) -> int:
        """Store the chunks of the run and mark it as planned; return the number of its items.

        Raises:
            DamagedFileError: The file's length has changed since it was accepted.
            InvalidRowsError: The file is gone, has no rows, or rows break the schema; up to ten lines are named.
            RunStoppedError: The run was canceled or deleted meanwhile.
        """
        cut = await self._source.cut(schema, self._is_stopped)
        items_planned = sum(chunk.row_count for chunk in cut.chunks) * self._run.repeats
        await self._store(delete_chunks)
        for first in range(0, len(cut.chunks), self._chunks_a_transaction):
            await self._store(partial(insert_chunks, new=cut.chunks[first : first + self._chunks_a_transaction]))
        at = int(self._engine.clock.now())
        await self._store(partial(save_plan, items_planned=items_planned, at=at, cautions=cut.cautions))
        return items_planned

    async def _store(self, write: Callable[[AsyncConnection, ProjectScope, int], Awaitable[None]]) -> None:
        async with self._engine.database.write() as tx:
            status, _ = await lock_tally(tx, self._run.scope, self._run.key)
            if status is not RunStatus.IN_PROGRESS:
                raise RunStoppedError
            await write(tx, self._run.scope, self._run.key)
