"""A worker: executes chunks of all runs as the queue hands them out, and does its part of what runs need beside."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import anyio
import structlog
from anyio.abc import TaskGroup
from procrastinate.exceptions import ConnectorException

from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.ending.purge import Purger
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.grader_calls import CALLS_AT_ONCE, GraderCalls
from evalhaven.runs.executing.looks import IDLE_LOOK_S, LONGEST_LOOK_S, LOOK_AGAIN_S, RUNS_AT_ONCE
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.shared.lending import CallingRun, LimitLender
from evalhaven.runs.executing.shared.queue import ChunkQueue, Duties
from evalhaven.runs.executing.shared.share import RunShare, Surroundings
from evalhaven.runs.executing.shared.upkeep import Upkeep
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.grader_calls import GraderCall, list_waiting_calls
from evalhaven.storage.queue.names import queue_of
from evalhaven.storage.queue.workers import WorkerFacts, claim_grader_calls, enter_worker, hold_duty
from evalhaven.storage.runs import list_active_runs

_MOST_CHUNKS = 64
_IDLE_S = 10.0
_PAUSE_S = 1.0
_SETTLES_WITHIN_S = 5.0
_STORES_WITHIN_S = 2.0
_LEAVES_WITHIN_S = 3.0
_LOOK_S = 0.05
_LOOKS_APART_S = 0.01  # the same news may come twice, from the server and from the database
_UNTIL_JOBS_S = 0.5  # what is new has a job already, and is not to wait for a look at those of all
_HOUSEKEEPING = "housekeeping"


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How much a worker takes upon itself.

    Attributes:
        most_chunks: How many chunks it executes at once.
    """

    most_chunks: int = _MOST_CHUNKS


class SharedExecutor:
    """Executes what it claims of the runs that all workers share; a kill at any time loses nothing."""

    def __init__(
        self, engine: Engine, purger: Purger, facts: WorkerFacts, fence: Fence, limits: WorkerLimits | None = None
    ) -> None:
        """Do nothing yet.

        Args:
            engine: What runs are executed with.
            purger: Purges what was deleted, while that is this worker's duty.
            facts: Who this worker is.
            fence: Tells the callers of models, too, whether anything may begin.
            limits: How much it takes upon itself.
        """
        self._engine = engine
        self._purger = purger
        self._facts = facts
        self._fence = fence
        self._limits = limits or WorkerLimits()
        self._upkeep = Upkeep(engine, fence.lease_s, RUNS_AT_ONCE)
        self._grader_calls = GraderCalls(engine, self._claim_calls)
        duties = Duties(
            self._register, self._queues_with_room, self._prepare, self._execute, self._on_job, self._on_news
        )
        self._queue = ChunkQueue(engine.database, fence, duties, self._limits.most_chunks)
        self._lender = LimitLender(
            engine.database,
            engine.caller,
            fence,
            lambda: self._queue.worker_id,
            self._calling_runs,
            engine.months,
            engine.clock,
        )
        self._around = Surroundings(fence, lambda: self._upkeep.workers, self._queue.wake, self._lender.wake)
        self.tell_news: Callable[[], None] = lambda: None  # called when a run has ended, and when others say so
        self._active: dict[int, Run] = {}
        self._shares: dict[int, RunShare] = {}
        self._tasks: TaskGroup | None = None
        self._wake = anyio.Event()
        self._has_news = anyio.Event()
        self._share_ended = anyio.Event()
        self._is_draining = False
        self._is_given_up = False
        self._has_left = anyio.Event()
        self._looked_at = time.monotonic()
        self._duty_until = 0.0
        self._log = structlog.get_logger("evalhaven.workers")

    def wake(self) -> None:
        """Look now: something was created, canceled or deleted."""
        self._look_now()
        self._purger.wake()
        self._grader_calls.wake()

    def want_slots(self) -> None:
        """Look for slots of shared limits now: a call waits for one."""
        self._lender.wake()

    @property
    def problem(self) -> str:
        """Return what currently keeps runs from going on; "" if nothing does."""
        since_s = time.monotonic() - self._looked_at
        if not self._engine.patience.problem and since_s > LONGEST_LOOK_S:
            return f"The database has not answered the worker for {since_s:.0f} s."
        if not self._engine.patience.problem and self._is_given_up:
            return "This worker could not tell in time that it lives, so others execute what it had; it begins anew."
        return self._engine.patience.problem

    @property
    def is_stuck(self) -> bool:
        """Tell whether the database neither answers nor refuses: only a new process has connections that work."""
        since_s = time.monotonic() - self._looked_at
        return not self._engine.patience.problem and since_s > LONGEST_LOOK_S + self._fence.lease_s

    def has_duty(self) -> bool:
        """Tell whether this worker does what one does for all: purging, and making columns."""
        return time.monotonic() < self._duty_until

    async def execute_forever(self) -> None:
        """Work until canceled."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._purger.purge_forever)
            self._tasks.start_soon(self._grader_calls.answer_forever)
            self._tasks.start_soon(self._queue.listen)
            self._tasks.start_soon(self._keep_up)
            self._tasks.start_soon(self._hold_duty)
            self._tasks.start_soon(self._lender.serve)
            self._tasks.start_soon(self._serve_queue)
            self._tasks.start_soon(self._reconcile_forever)
            async for active in self._looks():
                self._compare(active)

    async def _serve_queue(self) -> None:
        """Be a worker of the queue, and begin anew as another one whenever the others may think this one dead."""
        while not self._is_draining:
            try:
                await self._queue.serve()
            except Exception as error:
                if isinstance(error, ConnectorException | TimeoutError | OSError) or is_unavailable(error):
                    self._log.warning("queue_unavailable", reason=str(error.__cause__ or error))
                else:
                    self._log.exception("queue_failed_unexpectedly")
            self._is_given_up = not self._is_draining
            await self._settle()
            await anyio.sleep(0 if self._is_draining else _PAUSE_S)
        self._has_left.set()

    async def drain(self, within_s: float) -> None:
        """Claim nothing more, finish and store what is under way, and hand back the rest; then the process may end.

        Args:
            within_s: How long what is under way may take; what takes longer is dropped, and others begin it again.
        """
        self._is_draining = True
        began_at = time.monotonic()
        self._log.info("worker_drains", items=self._items_under_way, within_s=within_s)
        with anyio.move_on_after(within_s):
            await self._finish()
        dropped = self._items_under_way
        for share in self._shares.values():
            share.give_up()
        with anyio.move_on_after(_STORES_WITHIN_S):
            await self._wait_for_shares()
        self._queue.leave()
        with anyio.move_on_after(_LEAVES_WITHIN_S):
            await self._has_left.wait()
        try:
            await self._upkeep.leave_in_order(self._facts.seat)
        except Exception as error:
            if not is_unavailable(error):
                raise
            self._log.warning("worker_left_without_notice", reason=str(error.__cause__ or error))
        took_s = round(time.monotonic() - began_at, 1)
        self._log.info("worker_drained", took_s=took_s, items_dropped=dropped)

    async def _finish(self) -> None:
        """Return once nothing is under way any more."""
        self._stop_beginning()
        await self._wait_for_shares()
        while True:
            if not self._grader_calls.under_way:
                return
            await anyio.sleep(_LOOK_S)

    def _stop_beginning(self) -> None:
        for share in self._shares.values():
            share.drain()

    @property
    def _items_under_way(self) -> int:
        return sum(share.items_under_way for share in self._shares.values())

    async def _settle(self) -> None:
        """Return once nothing is under way any more that was begun before the fence was shut."""
        self._stop_beginning()
        with anyio.move_on_after(_SETTLES_WITHIN_S):
            await self._wait_for_shares()
        # Calls that may not be made wait to be dropped.
        for share in self._shares.values():
            share.give_up()
        await self._wait_for_shares()

    async def _wait_for_shares(self) -> None:
        while self._shares:
            await self._share_ended.wait()

    async def _register(self, worker_id: int) -> None:
        async with self._engine.database.write() as tx:
            await self._upkeep.take_seat(tx, self._facts.seat)
            await enter_worker(tx, EngineScope(), worker_id, self._facts)
        self._is_given_up = False
        self._look_now()

    def _look_now(self) -> None:
        self._wake.set()
        self._has_news.set()

    async def _looks(self) -> AsyncIterator[list[Run]]:
        while True:
            self._wake = anyio.Event()
            began_at = time.monotonic()
            active = await self._engine.patience.persist(self._active_runs)
            self._looked_at = time.monotonic()
            yield active
            # What is created meanwhile waits; but looks at very many runs must leave time for them.
            await anyio.sleep(max(_LOOKS_APART_S, self._looked_at - began_at))
            with anyio.move_on_after(self._look_again_s):
                await self._wake.wait()

    async def _reconcile_forever(self) -> None:
        while True:
            self._has_news = anyio.Event()
            if self._fence.is_open:
                await self._engine.patience.persist(self._upkeep.reconcile)
            with anyio.move_on_after(self._look_again_s):
                await self._has_news.wait()
                await anyio.sleep(_UNTIL_JOBS_S)

    @property
    def _look_again_s(self) -> float:
        return LOOK_AGAIN_S if self._active or self._shares else IDLE_LOOK_S

    async def _active_runs(self) -> list[Run]:
        return await self._engine.database.fetch(lambda tx: list_active_runs(tx, EngineScope(), RUNS_AT_ONCE))

    def _compare(self, active: list[Run]) -> None:
        """Drop what belongs to runs that are over, or were retried since, and ask for jobs of the others."""
        before, self._active = self._active, {run.key: run for run in active}
        if before.keys() - self._active.keys():
            self.tell_news()
        for key, share in self._shares.items():
            if not self._is_current(key, share) and (key in self._active or len(active) < RUNS_AT_ONCE):
                share.request_stop()
            # Of very many runs, those of other projects may have taken the place of one that goes on.
            if share.idle_s > _IDLE_S or key not in self._active:
                share.drain()
        self._queue.wake()

    def _is_current(self, run_key: int, share: RunShare) -> bool:
        """Tell whether the run of a share goes on, and was not retried since."""
        run = self._active.get(run_key)
        return run is not None and share.times_retried in (None, run.times_retried)

    def _calling_runs(self) -> list[CallingRun]:
        return [share.calling for share in self._shares.values() if share.calling is not None]

    def _queues_with_room(self) -> Sequence[Sequence[str]]:
        """Return the queues to ask, those of the project first that has the fewest chunks here."""
        if self._is_draining or sum(share.count for share in self._shares.values()) >= self._limits.most_chunks:
            return []
        counts = {key: share.count for key, share in self._shares.items()}
        full = {key for key, share in self._shares.items() if not share.has_room}
        return queues_in_turn(self._active.values(), counts, full)

    async def _execute(self, run_key: int, number: int) -> None:
        """Execute a chunk; what goes wrong is not the queue's affair."""
        share = self._shares.get(run_key) or self._open_share(run_key)
        if share is not None and self._may_begin:
            await share.execute(number)
            self._queue.wake()

    async def _prepare(self, run_key: int, job_id: int) -> None:
        """Plan a run and execute its first chunk."""
        while (former := self._shares.get(run_key)) is not None:
            if former.count and self._is_current(run_key, former):
                return  # it was planned meanwhile
            former.request_stop()
            await self._share_ended.wait()
        share = self._open_share(run_key, job_id)
        if share is not None:
            await share.prepare()
            self._queue.wake()

    @property
    def _may_begin(self) -> bool:
        return not self._is_draining and self._fence.is_open

    def _open_share(self, run_key: int, plan_job: int | None = None) -> RunShare | None:
        run = self._active.get(run_key)
        worker_id = self._queue.worker_id
        if run is None or not self._may_begin or self._tasks is None or worker_id is None:
            return None
        share = RunShare(self._engine, run.scope, run_key, self._around, worker_id, plan_job)
        self._shares[run_key] = share
        self._tasks.start_soon(self._serve_share, run_key, share)
        return share

    async def _serve_share(self, run_key: int, share: RunShare) -> None:
        try:
            await share.serve()
        except Exception as error:
            # One run must not take down the others; what it has not done is handed out again.
            if not is_unavailable(error):
                self._log.exception("run_abandoned", run_key=run_key)
            await anyio.sleep(_PAUSE_S)
        finally:
            del self._shares[run_key]
            ended, self._share_ended = self._share_ended, anyio.Event()
            ended.set()
        self._look_now()

    def _on_job(self) -> None:
        self._queue.wake()
        if not self._active:
            self._look_now()

    def _on_news(self) -> None:
        self.wake()
        self.tell_news()

    async def _keep_up(self) -> None:
        """Drop the jobs of silent workers, but only when this one was heard all the time: else all seem silent."""
        while True:
            await anyio.sleep(self._fence.lease_s / 3)
            if self._fence.is_open:
                await self._engine.patience.persist(self._upkeep.sweep)

    async def _hold_duty(self) -> None:
        while True:
            worker_id = self._queue.worker_id
            if worker_id is not None:
                sent_at = time.monotonic()
                try:
                    async with self._engine.database.write() as tx:
                        holds = await hold_duty(tx, EngineScope(), _HOUSEKEEPING, worker_id, self._fence.lease_s)
                except Exception as error:
                    if not is_unavailable(error):
                        raise
                else:
                    if holds and not self.has_duty():
                        self._purger.wake()
                    self._duty_until = sent_at + self._fence.lease_s if holds else 0.0
            await anyio.sleep(LOOK_AGAIN_S if worker_id is None else self._fence.lease_s / 6)

    async def _claim_calls(self) -> list[GraderCall]:
        """Return the calls of graders that this worker answers."""
        worker_id = self._queue.worker_id
        most = 8 * CALLS_AT_ONCE
        waiting = await self._engine.database.fetch(lambda tx: list_waiting_calls(tx, EngineScope(), most))
        if not waiting or worker_id is None or self._is_draining or not self._fence.is_open:
            return []
        keys = [call.key for call in waiting]
        async with self._engine.database.write() as tx:
            mine = await claim_grader_calls(tx, EngineScope(), worker_id, keys, self._fence.lease_s)
        return [call for call in waiting if call.key in mine]


def queues_in_turn(active: Iterable[Run], chunks: Mapping[int, int], full: Container[int]) -> list[list[str]]:
    """Return the queues that a worker may ask, by project: that with the fewest chunks under way here comes first.

    Args:
        active: The runs that go on.
        chunks: How many chunks of each run are under way here, by its key.
        full: The keys of runs that have no room here.
    """
    under_way, queues = Counter[int](), dict[int, list[str]]()
    for run in active:
        project = run.scope.project_id
        under_way[project] += chunks.get(run.key, 0)
        if run.key not in full:
            queues.setdefault(project, []).append(queue_of(run.key))
    return [queues[project] for project in sorted(queues, key=lambda each: under_way[each])]
