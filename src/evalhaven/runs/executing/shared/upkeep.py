"""What keeps runs going whatever dies: jobs of the dead are dropped, and what has no job gets one.

Every worker does this, one at a time; nothing of it depends on which.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.deaths import DEATHS_AT_MOST, deadly_error
from evalhaven.runs.executing.shared.progress import go_on
from evalhaven.storage.deaths import save_evaluation
from evalhaven.storage.queue.flows import forget_flows
from evalhaven.storage.queue.guards import forget_guard_states
from evalhaven.storage.queue.jobs import count_workers, drop_queued_jobs, list_live_jobs, list_queued_runs, submit_plan
from evalhaven.storage.queue.limits import forget_shares
from evalhaven.storage.queue.months import forget_month_costs
from evalhaven.storage.queue.outages import forget_outages
from evalhaven.storage.queue.workers import excuse_jobs, forget_grader_claims, leave_seat, may_reconcile, sweep_jobs
from evalhaven.storage.run_history import append_events
from evalhaven.storage.run_writes import save_status
from evalhaven.storage.runs import get_run_by_key, list_active_runs, list_newer_runs
from evalhaven.storage.tables import is_active_run, runs

_SUSPECTED_FROM = DEATHS_AT_MOST - 1


class Upkeep:
    """Compares runs with their jobs, and workers with their heartbeats."""

    def __init__(self, engine: Engine, lease_s: float, most_runs: int) -> None:
        """Look at nothing yet.

        Args:
            engine: What runs are executed with.
            lease_s: After how many seconds of silence a worker counts as dead.
            most_runs: How many runs have jobs at once.
        """
        self._engine = engine
        self._lease_s = lease_s
        self._most_runs = most_runs
        self._log = structlog.get_logger("evalhaven.workers")
        self.workers = 1

    async def reconcile(self) -> None:
        """Give jobs to the runs that lack them, and end those that have nothing left, or kill their workers."""
        async with self._engine.database.write() as tx:
            self.workers = max(1, await count_workers(tx, EngineScope(), self._lease_s))
            if not await may_reconcile(tx, EngineScope()):
                return
            active = await list_active_runs(tx, EngineScope(), self._most_runs)
            over = await list_queued_runs(tx, EngineScope()) - {run.key for run in active}
            if over:
                # Those of a newer release are for its workers to judge.
                over -= await list_newer_runs(tx, EngineScope())
                await drop_queued_jobs(tx, EngineScope(), sorted(over))
            suspects = [run.key for run in active if run.deaths >= _SUSPECTED_FROM]
            for run in active:
                # What holds the row now is likely to submit the next chunks itself.
                if run.key not in suspects[1:] and await _lock_active(tx, run):
                    await self._reconcile_run(tx, run)

    async def _reconcile_run(self, tx: AsyncConnection, run: Run) -> None:
        if run.deaths >= DEATHS_AT_MOST:
            at = int(self._engine.clock.now())
            error = deadly_error(run, run.deaths)
            failed = run.to(RunStatus.FAILED, at, error)
            await save_status(tx, run.scope, failed, at)
            self._engine.teller.tell_end(failed)
            return
        completed: Run | None = None
        if run.status is RunStatus.IN_PROGRESS and run.items_planned is not None:
            if run.deaths < _SUSPECTED_FROM:
                completed = await go_on(self._engine, tx, run, self.workers)
            elif not (await list_live_jobs(tx, run.scope, run.key)).any:
                completed = await go_on(self._engine, tx, run, workers=0)
        elif not (await list_live_jobs(tx, run.scope, run.key)).any:
            await submit_plan(tx, run.key)
        if completed is not None:
            self._engine.teller.tell_end(completed)

    async def sweep(self) -> None:
        """Drop the jobs of workers that are gone or silent."""
        async with self._engine.database.write() as tx:
            keys = await sweep_jobs(tx, EngineScope(), self._lease_s)
            await forget_grader_claims(tx, EngineScope())
            await forget_shares(tx, EngineScope())
            await forget_flows(tx, EngineScope())
            await forget_guard_states(tx, EngineScope())
            await forget_month_costs(tx, EngineScope())
            await forget_outages(tx, EngineScope())
            await self._count_deaths(tx, keys)

    async def take_seat(self, tx: AsyncConnection, seat: str) -> None:
        """Drop the jobs of the worker that sat on a seat before and died."""
        await self._count_deaths(tx, await leave_seat(tx, EngineScope(), seat))

    async def leave_in_order(self, seat: str) -> None:
        """Let others have what a worker has that ends: it is no death, and they need not wait for it."""
        async with self._engine.database.write() as tx:
            await leave_seat(tx, EngineScope(), seat)
        await self.reconcile()

    async def _count_deaths(self, tx: AsyncConnection, keys: Sequence[int]) -> None:
        """Count the death of a worker for each run that may have killed it."""
        for key in keys:
            scope_of = select(runs.c.key).where(runs.c.key == key, is_active_run).with_for_update()
            if (await tx.execute(scope_of)).scalar_one_or_none() is None:
                continue
            run = await _get_run(tx, key)
            deaths = run.deaths + 1
            await save_evaluation(tx, run.scope, key, None, deaths)
            await excuse_jobs(tx, EngineScope(), key)
            at = int(self._engine.clock.now())
            await append_events(tx, run.scope, key, [RunEvent("resumed", at, {"died": True})])
            self._log.warning("executor_died_in_run", run_id=run.id, deaths=deaths)
            if deaths >= _SUSPECTED_FROM:
                await drop_queued_jobs(tx, EngineScope(), [key])


async def _get_run(tx: AsyncConnection, key: int) -> Run:
    project = (await tx.execute(select(runs.c.project_id).where(runs.c.key == key))).scalar_one()
    return await get_run_by_key(tx, ProjectScope(project), key)


async def _lock_active(tx: AsyncConnection, run: Run) -> bool:
    """Lock a run, unless it is locked by others, is over by now, or was retried since."""
    query = select(runs.c.key).where(runs.c.key == run.key, runs.c.times_retried == run.times_retried, is_active_run)
    query = query.where(runs.c.status == run.status).with_for_update(skip_locked=True)
    return (await tx.execute(query)).scalar_one_or_none() is not None
