"""The conductor: takes one run to its final status, from whatever state is stored."""

from contextlib import ExitStack

import anyio
import structlog

from evalhaven.access.limits import MonthCost
from evalhaven.domain.evals import Eval
from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.runs import Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.executing.deaths import count_death
from evalhaven.runs.executing.ending import Begin, RunEnding
from evalhaven.runs.executing.feeds import PendingChunks
from evalhaven.runs.executing.handout import Handout
from evalhaven.runs.executing.opening import OpenRun, find_month_of, open_run
from evalhaven.runs.executing.spread.team import Team
from evalhaven.runs.executing.turn import Turn
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.runs.sources.choice import source_of
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.run_history import append_events
from evalhaven.storage.runs import get_run_by_key


class RunConductor:
    """Conducts one run; after a kill, conducting it again continues from the stored state."""

    def __init__(self, engine: Engine, scope: ProjectScope, run_key: int, team: Team | None = None) -> None:
        """Conduct nothing yet.

        Args:
            engine: What runs are executed with.
            scope: Whose run.
            run_key: The run.
            team: The processes that evaluate its items; None: this one does.
        """
        self._engine = engine
        self._team = team
        self._scope = scope
        self._run_key = run_key
        self._stop_requested = anyio.Event()
        self._turn = Turn(engine, self._stop_requested)
        self._guard: RunGuard | None = None
        self._held = ExitStack()
        self._times_retried: int | None = None
        self._is_taken_up = False
        self._log = structlog.get_logger("evalhaven.runs")

    @property
    def times_retried(self) -> int | None:
        """Return how many times the run had been retried when it was taken up; None before it is."""
        return self._times_retried

    def request_stop(self) -> None:
        """Ask for a stop soon: the run was canceled or deleted."""
        self._stop_requested.set()

    async def conduct_run(self) -> None:
        """Plan the run, execute its chunks and give it its final status."""
        with self._held:
            await self._engine.patience.persist(self._conduct)

    async def _conduct(self) -> None:
        async with self._engine.database.read() as tx:
            run = await get_run_by_key(tx, self._scope, self._run_key)
            parent = await get_eval_by_key(tx, self._scope, run.eval_key)
            month = await find_month_of(tx, run, parent, self._engine.clock.now())
        self._log = self._log.bind(run_id=run.id)
        self._times_retried = run.times_retried
        ending = RunEnding(self._engine, run)
        deadly = None if run.status.is_final else await count_death(self._engine, run)
        if deadly is not None:
            await ending.end(RunStatus.FAILED, deadly)
            return
        try:
            await self._execute(run, parent, ending, month)
        except Exception as error:
            await ending.end_by(error, None if self._guard is None else self._guard.verdict)

    async def _execute(self, run: Run, parent: Eval, ending: RunEnding, month: MonthCost | None) -> None:
        engine = self._engine
        if run.status.is_final:
            raise RunStoppedError
        source_of(engine, run)  # refused, where it has none, before it begins
        await self._note_resumed(run)
        # Taken up again after the database was away, a run keeps its guard, which knows what was paid but not stored.
        guard = self._guard
        if guard is None:
            guard = self._guard = RunGuard(run.options.budget, run.tally.spending, self._stop_requested)
            self._held.enter_context(engine.months.entered(run.scope, month, guard))
        async with open_run(engine, run, parent, guard) as opened:
            begin = await ending.begin()
            await opened.warn()
            await opened.tell_isolation()
            handout = await self._run_chunks(opened, guard, begin)
            await opened.warn()  # of what turned out meanwhile
            await ending.end(RunStatus.COMPLETED, also=None if handout is None else handout.flow_writer())

    async def _run_chunks(self, opened: OpenRun, guard: RunGuard, begin: Begin | None) -> Handout | None:
        """Plan the run, if it is not planned, and execute its chunks.

        Args:
            opened: The run.
            guard: Watches its calls.
            begin: Moves it to `in_progress` when it is planned; None: it is.

        Returns:
            What handed them out; None: sampling processes did, and how their calls went is stored.
        """
        engine, run = self._engine, opened.run
        items_planned = run.items_planned
        if items_planned is None:
            planner = RunPlanner(engine, run, self._stop_requested.is_set, begin=begin)
            items_planned = await planner.plan_run(ItemSchema(opened.parent.item_schema))
            self._log.info("run_planned", items=items_planned)
        errored = run.tally.errored if run.times_retried else 0
        guard.expect_calls(items_planned - run.tally.total + errored)
        feed = PendingChunks(engine, run)
        if self._team is not None:
            await self._team.execute(opened, feed, self._stop_requested, guard)
            return None
        handout = Handout(opened, feed, self._stop_requested, self._turn)
        await handout.run_chunks()
        return handout

    async def _note_resumed(self, run: Run) -> None:
        """Record, once, that this process goes on with a run, and whether the one before is known to have died."""
        is_news = run.status is RunStatus.IN_PROGRESS and not self._is_taken_up
        self._is_taken_up = True
        if not is_news:
            return
        has_died = run.evaluated_by not in (None, self._engine.process)
        event = RunEvent("resumed", int(self._engine.clock.now()), {"died": has_died})
        async with self._engine.database.write() as tx:
            current = await get_run_by_key(tx, self._scope, self._run_key, for_update=True)
            if current.status is RunStatus.IN_PROGRESS:
                await append_events(tx, self._scope, self._run_key, [event])
