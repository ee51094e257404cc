"""The executor: conducts every active run and purges what was deleted; it is all that the child process does.

It keeps no state that matters: the database says what is to be done, and a kill at any time loses nothing.
"""

import time
from collections.abc import AsyncIterator, Callable

import anyio
import structlog
from anyio.abc import TaskGroup

from evalhaven.access.limits import MonthCost
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.ending.purge import Purger
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.executing.grader_calls import GraderCalls
from evalhaven.runs.executing.looks import LONGEST_LOOK_S, LOOK_AGAIN_S, RUNS_AT_ONCE
from evalhaven.runs.executing.spread.team import Team
from evalhaven.storage.access.limits import find_month_cost
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import list_active_runs


class Executor:
    """Takes runs up as they appear and drops those that were canceled or deleted."""

    def __init__(self, engine: Engine, purger: Purger, team: Team | None = None) -> None:
        """Execute nothing yet.

        Args:
            engine: What runs are executed with.
            purger: Purges what was deleted.
            team: The processes that evaluate items; None: this one does.
        """
        self._engine = engine
        self._team = team
        self._purger = purger
        self._grader_calls = GraderCalls(engine)
        self.tell_news: Callable[[], None] = lambda: None  # called when a run has ended
        self._conducted: dict[int, RunConductor] = {}
        self._wake = anyio.Event()
        self._looked_at = time.monotonic()
        self._log = structlog.get_logger("evalhaven.executor")

    def wake(self) -> None:
        """Look now: something was created, canceled or deleted."""
        self._wake.set()
        self._purger.wake()
        self._grader_calls.wake()

    @property
    def problem(self) -> str:
        """Return what currently keeps runs from going on; "" if nothing does."""
        since_s = time.monotonic() - self._looked_at
        if not self._engine.patience.problem and since_s > LONGEST_LOOK_S:
            return f"The database has not answered the executor for {since_s:.0f} s."
        return self._engine.patience.problem or ("" if self._team is None else self._team.problem)

    async def execute_forever(self) -> None:
        """Work until canceled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._purger.purge_forever)
            tasks.start_soon(self._grader_calls.answer_forever)
            if self._team is not None:
                tasks.start_soon(self._team.serve)
            async for active in self._looks():
                self._reconcile(active, tasks)

    async def _looks(self) -> AsyncIterator[list[Run]]:
        while True:
            self._wake = anyio.Event()
            active = await self._engine.patience.persist(self._active_runs)
            self._looked_at = time.monotonic()
            yield active
            with anyio.move_on_after(LOOK_AGAIN_S):
                await self._wake.wait()

    async def _active_runs(self) -> list[Run]:
        budgets, now = list(self._engine.months), self._engine.clock.now()

        async def read(tx: ReadTransaction) -> tuple[list[Run], list[MonthCost | None]]:
            stored = [await find_month_cost(tx, budget.scope, now) for budget in budgets]
            return await list_active_runs(tx, EngineScope(), RUNS_AT_ONCE), stored

        active, stored = await self._engine.database.fetch(read)
        for budget, cost in zip(budgets, stored, strict=True):
            budget.refresh(cost)
        return active

    def _reconcile(self, active: list[Run], tasks: TaskGroup) -> None:
        """Start runs that are not conducted yet, and drop conducted runs that are no longer active."""
        for key in self._conducted.keys() - {run.key for run in active}:
            self._conducted[key].request_stop()
        for run in active:
            conductor = self._conducted.get(run.key)
            if conductor is not None and conductor.times_retried not in (None, run.times_retried):
                # The run ended and is retried; its previous conductor has to stop first.
                conductor.request_stop()
            if conductor is None:
                self._conducted[run.key] = RunConductor(self._engine, run.scope, run.key, self._team)
                tasks.start_soon(self._conduct, run.key)

    async def _conduct(self, key: int) -> None:
        try:
            await self._conducted[key].conduct_run()
        except Exception:
            # One run must not take down the others; this one will be taken up again.
            self._log.exception("run_abandoned", run_key=key)
            await anyio.sleep(LOOK_AGAIN_S)
        finally:
            del self._conducted[key]
        # A free place may let the next run start.
        self._wake.set()
        self.tell_news()
