"""What one worker executes of one run: it is opened with the plan or a chunk, and closed when no more chunks come."""

from collections.abc import Callable
from dataclasses import dataclass

import anyio
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import MonthCost
from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.executing.ending import RunEnding
from evalhaven.runs.executing.handout import Handout
from evalhaven.runs.executing.opening import OpenRun, find_month_of, open_run
from evalhaven.runs.executing.shared.feed import ClaimedChunks
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.shared.flows import SharedFlow
from evalhaven.runs.executing.shared.guards import SharedGuard, purse_of
from evalhaven.runs.executing.shared.lending import CallingRun
from evalhaven.runs.executing.shared.limits import RunLimit
from evalhaven.runs.executing.shared.preparing import RunPreparation
from evalhaven.runs.executing.shared.progress import go_on
from evalhaven.runs.executing.writing import InTransaction, Stored
from evalhaven.runs.sources.choice import source_of
from evalhaven.storage.chunks import list_pending_chunks
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_key


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a share needs to know of its worker.

    Attributes:
        fence: Whether anything may begin.
        count_workers: Returns how many workers there are.
        on_room: Called when there may be room for a chunk.
        on_want: Called when a call waits for a part of what workers share.
    """

    fence: Fence
    count_workers: Callable[[], int]
    on_room: Callable[[], None]
    on_want: Callable[[], None]


class RunShare:
    """Executes chunks of one run that this worker has claimed, and plans it before, if it has the job to."""

    def __init__(
        self,
        engine: Engine,
        scope: ProjectScope,
        run_key: int,
        around: Surroundings,
        worker_id: int,
        plan_job: int | None = None,
    ) -> None:
        """Begin nothing yet.

        Args:
            engine: What runs are executed with.
            scope: Whose run.
            run_key: The run.
            around: What it needs to know of its worker.
            worker_id: The worker.
            plan_job: The job to plan the run; None: it is planned.
        """
        self._plan_job = plan_job
        self._is_prepared = anyio.Event()  # set, too, when it never will be
        self._first: Chunk | None = None
        self._engine = engine
        self._worker_id = worker_id
        self._scope = scope
        self._run_key = run_key
        self._around = around
        self._stop_requested = anyio.Event()
        self._feed = ClaimedChunks(around.on_room)
        self._coming = 0  # chunks that were claimed and are looked up or planned
        self._handout: Handout | None = None
        self._is_draining = False
        self._log = structlog.get_logger("evalhaven.runs")
        self.times_retried: int | None = None
        self.calling: CallingRun | None = None

    @property
    def count(self) -> int:
        """Return how many chunks it has."""
        return self._feed.count + self._coming

    @property
    def has_room(self) -> bool:
        """Tell whether one more chunk could begin."""
        if self._is_draining or self._stop_requested.is_set() or self._feed.waiting or self._coming:
            return False
        return self._handout is not None and self._handout.has_room

    @property
    def items_under_way(self) -> int:
        """Return how many items are being evaluated."""
        runner = None if self._handout is None else self._handout.runner
        return 0 if runner is None else runner.pool.under_way

    @property
    def idle_s(self) -> float:
        """Return for how long it has had no chunk."""
        return 0.0 if self.count else anyio.current_time() - self._feed.idle_since

    def request_stop(self) -> None:
        """Drop everything: the run is over."""
        if self.count:
            self._stop_requested.set()
        self._feed.close()

    def drain(self) -> None:
        """Begin no more items, finish and store those under way, then close."""
        self._is_draining = True
        self._feed.close()
        if self._handout is not None and self._handout.runner is not None:
            self._handout.runner.pool.drain()

    def give_up(self) -> None:
        """Drop the items under way, store those that are finished, and close."""
        self._is_draining = True
        self._feed.close()
        self._stop_requested.set()

    async def prepare(self) -> None:
        """Return once the run is planned and its first chunk is done, or neither is done here."""
        self._coming += 1
        try:
            await self._is_prepared.wait()
        finally:
            self._coming -= 1
        if self._first is not None:
            await self._feed.execute(self._first)

    async def execute(self, number: int) -> None:
        """Return once a chunk is done, or is not executed here."""
        self._coming += 1
        try:
            chunk = await self._engine.patience.persist(lambda: self._find_chunk(number))
        finally:
            self._coming -= 1
        if chunk is not None:
            await self._feed.execute(chunk)

    async def serve(self) -> None:
        """Execute chunks until closed.

        Raises:
            Exception: The database is away, and the run could not be opened.
        """
        try:
            await self._serve()
        finally:
            self._feed.abandon()
            self._is_prepared.set()

    async def _serve(self) -> None:
        engine = self._engine

        async def read(tx: ReadTransaction) -> tuple[Run, Eval, MonthCost | None]:
            run = await get_run_by_key(tx, self._scope, self._run_key)
            parent = await get_eval_by_key(tx, self._scope, run.eval_key)
            return run, parent, await find_month_of(tx, run, parent, engine.clock.now())

        run, parent, month = await engine.database.fetch(read)
        self._log = self._log.bind(run_id=run.id)
        self.times_retried = run.times_retried
        purse = purse_of(run, self._around.on_want)
        guard = RunGuard(run.options.budget, run.tally.spending, self._stop_requested, purse, self._ask_others)
        ending = RunEnding(engine, run)
        try:
            with engine.months.entered(run.scope, month, guard, self._around.on_want):
                await self._execute(run, parent, guard, ending)
        except Exception as error:
            if isinstance(error, RunStoppedError) and self._is_draining and guard.verdict is None:
                return  # only here: others go on with the run
            await ending.end_by(error, guard.verdict)

    async def _execute(self, run: Run, parent: Eval, guard: RunGuard, ending: RunEnding) -> None:
        is_planned = run.status is RunStatus.IN_PROGRESS and run.items_planned is not None
        if run.status.is_final or not (is_planned or self._plan_job is not None):
            raise RunStoppedError
        source_of(self._engine, run)  # refused, where it has none, before it begins
        errored = run.tally.errored if run.times_retried else 0
        most = run.options.max_concurrency
        limit = None if most is None else RunLimit(run.key, most)
        shared = SharedGuard(run, guard)
        async with open_run(self._engine, run, parent, guard, None if limit is None else limit.slots) as opened:
            flow = SharedFlow(run, self._worker_id, lambda: opened.flow, opened.callers.learn, self._engine.clock)

            async def begin(tx: AsyncConnection) -> None:
                if opened.callers:
                    await flow.begin(tx)

            if opened.callers:
                self.calling = CallingRun(shared, limit)
                self._around.on_want()  # a first call soon
            items_planned = run.items_planned or 0
            if self._plan_job is not None:
                workers = self._around.count_workers()
                preparation = RunPreparation(opened, ending, self._plan_job, self._may_not_plan, workers)
                items_planned, self._first = await preparation.prepare(begin)
            guard.expect_calls(items_planned - run.tally.total + errored)
            if self._plan_job is None:
                await opened.tell_isolation()
                if opened.callers:
                    async with self._engine.database.write() as tx:
                        await shared.look(tx)
                        await begin(tx)
            self._is_prepared.set()
            await self._run_chunks(opened, guard, flow, shared)

    async def _run_chunks(self, opened: OpenRun, guard: RunGuard, flow: SharedFlow, shared: SharedGuard) -> None:
        run = opened.run
        completed: Run | None = None

        async def after_chunks(tx: AsyncConnection) -> None:
            nonlocal completed
            await opened.warn_in(tx)
            if opened.callers:
                # The final status comes with the state of the calls that led to it.
                await flow.save(tx)
            if guard.has_streak:
                # The run may be about to end as completed, although all its calls failed, each few of them elsewhere.
                await shared.look(tx)
            if guard.verdict is not None:
                return
            completed = await go_on(self._engine, tx, run, self._around.count_workers())

        def on_stored(_stored: Stored) -> None:
            nonlocal completed
            if completed is not None:
                self._engine.teller.tell_end(completed)
                completed = None
                self.drain()

        within = InTransaction(after_chunks, on_stored, self._may_begin, flow.save)
        handout = Handout(opened, self._feed, self._stop_requested, storing=within)
        handout.window.on_room = self._around.on_room
        self._handout = handout
        self._around.on_room()
        if self._is_draining:
            self._feed.close()
        await handout.run_chunks()

    def _ask_others(self) -> bool:
        self._around.on_want()
        return self._around.count_workers() > 1

    def _may_not_plan(self) -> bool:
        return self._stop_requested.is_set() or self._is_draining or not self._may_begin()

    def _may_begin(self) -> bool:
        return self._around.fence.is_open

    async def _find_chunk(self, number: int) -> Chunk | None:
        async with self._engine.database.read() as tx:
            found = await list_pending_chunks(tx, self._scope, self._run_key, above=number - 1, limit=1)
        return found[0] if found and found[0].number == number else None
