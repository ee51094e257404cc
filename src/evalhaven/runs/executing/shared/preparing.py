"""The first job of a run: it is moved to `in_progress` and planned. Then the job is that of the first chunk.

So the worker that has planned a run goes on with it at once, and whoever looks at jobs sees who has that chunk.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.runs import Chunk
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.engine import RunStoppedError
from evalhaven.runs.executing.ending import RunEnding
from evalhaven.runs.executing.opening import OpenRun
from evalhaven.runs.executing.shared.progress import go_on
from evalhaven.runs.planning.plan import PlanClaim, RunPlanner
from evalhaven.storage.queue.jobs import has_job, make_chunk_job
from evalhaven.storage.runs import lock_tally


class RunPreparation:
    """Prepares one run on behalf of a job; it may do so only while it has that job."""

    def __init__(
        self, opened: OpenRun, ending: RunEnding, job_id: int, is_stopped: Callable[[], bool], workers: int
    ) -> None:
        """Prepare nothing yet.

        Args:
            opened: The run.
            ending: Moves it.
            job_id: The job.
            is_stopped: Tells whether planning is to end.
            workers: How many workers there are.
        """
        self._opened = opened
        self._run = opened.run
        self._ending = ending
        self._job_id = job_id
        self._is_stopped = is_stopped
        self._workers = workers
        self._first: Chunk | None = None

    async def prepare(self, begin: Callable[[AsyncConnection], Awaitable[None]]) -> tuple[int, Chunk | None]:
        """Prepare the run; return the number of its items, and the chunk that the job stands for now.

        There is no such chunk if the run was planned before: it is retried, and its chunks get jobs of their own.

        Args:
            begin: Writes, in the transaction from which on chunks may be executed, what this worker begins with.

        Raises:
            RunStoppedError: The run was ended meanwhile, or somebody else prepares it.
        """
        run, opened = self._run, self._opened
        begin_run = await self._ending.begin()
        await opened.warn()
        await opened.tell_isolation()
        if run.items_planned is not None:
            await self._go_on_retried(begin)
            return run.items_planned, None

        async def go(tx: AsyncConnection, chunks: Sequence[Chunk]) -> None:
            self._first = chunks[0] if chunks else None
            if not (
                await make_chunk_job(tx, EngineScope(), self._job_id, run.key, chunks[0].number)
                if chunks
                else await self._has_job(tx)
            ):
                raise RunStoppedError
            await begin(tx)
            await self._go_on(tx)

        planner = RunPlanner(opened.engine, run, self._is_stopped, claim=PlanClaim(self._has_job, go), begin=begin_run)
        items_planned = await planner.plan_run(ItemSchema(opened.parent.item_schema))
        structlog.get_logger("evalhaven.runs").info("run_planned", run_id=run.id, items=items_planned)
        return items_planned, self._first

    async def _go_on_retried(self, begin: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        run, engine = self._run, self._opened.engine
        async with engine.database.write() as tx:
            if not (await lock_tally(tx, run.scope, run.key)).is_open_to(run):
                raise RunStoppedError
            await begin(tx)
            await self._go_on(tx)

    async def _go_on(self, tx: AsyncConnection) -> None:
        """Submit the next chunks of the run; one that has none is completed."""
        engine = self._opened.engine
        completed = await go_on(engine, tx, self._run, self._workers)
        if completed is not None:
            engine.teller.tell_end(completed)

    async def _has_job(self, tx: AsyncConnection) -> bool:
        return await has_job(tx, EngineScope(), self._job_id)
