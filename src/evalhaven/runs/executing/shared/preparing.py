"""The first job of a run: it is moved to `in_progress`, planned, and its first chunks are submitted."""

from collections.abc import Callable

import anyio
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.executing.ending import RunEnding
from evalhaven.runs.executing.opening import open_run
from evalhaven.runs.executing.shared.progress import count_retries, go_on
from evalhaven.runs.planning.plan import PlanClaim, RunPlanner
from evalhaven.runs.sources.choice import source_of
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.queue.jobs import has_job
from evalhaven.storage.runs import get_run_by_key, lock_tally


class RunPreparation:
    """Prepares one run on behalf of a job; it may do so only while it has that job."""

    def __init__(
        self, engine: Engine, scope: ProjectScope, run_key: int, job_id: int, may_go_on: Callable[[], bool]
    ) -> None:
        self._engine = engine
        self._scope = scope
        self._run_key = run_key
        self._job_id = job_id
        self._may_go_on = may_go_on
        self._stop_requested = anyio.Event()
        self.times_retried: int | None = None

    def request_stop(self) -> None:
        """Ask for a stop soon: the run was canceled or deleted."""
        self._stop_requested.set()

    async def prepare(self, count_workers: Callable[[], int]) -> None:
        """Prepare the run, or give it its final status if it cannot be executed."""
        engine = self._engine
        async with engine.database.read() as tx:
            run = await get_run_by_key(tx, self._scope, self._run_key)
            parent = await get_eval_by_key(tx, self._scope, run.eval_key)
        self.times_retried = run.times_retried
        guard = RunGuard(run.options.budget, run.tally.spending, self._stop_requested)
        ending = RunEnding(engine, run)
        try:
            await self._prepare(run, parent, guard, ending, count_workers)
        except Exception as error:
            await ending.end_by(error, guard.verdict)

    async def _prepare(
        self, run: Run, parent: Eval, guard: RunGuard, ending: RunEnding, count_workers: Callable[[], int]
    ) -> None:
        engine = self._engine
        if run.status.is_final:
            raise RunStoppedError
        source_of(engine, run)  # refused, where it has none, before it begins
        async with open_run(engine, run, parent, guard) as opened:
            if run.status is RunStatus.QUEUED and not await ending.move(RunStatus.IN_PROGRESS):
                raise RunStoppedError
            await opened.warn()
            await opened.tell_isolation()

        async def go(tx: AsyncConnection) -> None:
            await go_on(engine, tx, run, count_workers())

        if run.items_planned is None:
            claim = PlanClaim(self._has_job, go)
            planner = RunPlanner(engine, run, self._is_stopped, claim=claim)
            items_planned = await planner.plan_run(ItemSchema(parent.item_schema))
            structlog.get_logger("evalhaven.runs").info("run_planned", run_id=run.id, items=items_planned)
            return
        async with engine.database.write() as tx:
            status, _ = await lock_tally(tx, run.scope, run.key)
            if status is RunStatus.IN_PROGRESS and await count_retries(tx, run) == run.times_retried:
                await go(tx)

    def _is_stopped(self) -> bool:
        return self._stop_requested.is_set() or not self._may_go_on()

    async def _has_job(self, tx: AsyncConnection) -> bool:
        return await has_job(tx, EngineScope(), self._job_id)
