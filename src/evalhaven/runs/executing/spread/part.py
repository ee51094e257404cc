"""What one sampling process evaluates of one run: opened with its first chunk, closed when no more come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import anyio
import structlog
from anyio.abc import TaskGroup

from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.guard import Happened, RunGuard
from evalhaven.runs.executing.ending import RunEnding
from evalhaven.runs.executing.finished import FinishedItems
from evalhaven.runs.executing.handout import Handout
from evalhaven.runs.executing.opening import OpenRun, find_month_of, open_run
from evalhaven.runs.executing.shared.feed import ClaimedChunks
from evalhaven.runs.executing.shared.guards import budget_limits, month_limits, purse_of
from evalhaven.runs.executing.shared.limits import RunLimit, SharedLimit
from evalhaven.runs.executing.spread.messages import (
    FlowTold,
    ItemsFinished,
    ItemsStored,
    OfPart,
    PartEnded,
    PartKey,
    RoomLeft,
)
from evalhaven.runs.executing.writing import Elsewhere, Stored
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.runs import get_run_by_key


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a part needs to know of its process.

    Attributes:
        processes: How many sampling processes there are.
        send: Tells the executor.
        on_chunk_ended: Called when there may be room for chunks of other runs.
        want_slots: Called when there is a limit of which this process has no slots yet.
    """

    processes: int
    send: Callable[[OfPart], None]
    on_chunk_ended: Callable[[], None]
    want_slots: Callable[[], None]


class RunPart:
    """Evaluates the chunks of one run that the executor gives to this process."""

    def __init__(self, engine: Engine, scope: ProjectScope, key: PartKey, around: Surroundings) -> None:
        self._engine = engine
        self._scope = scope
        self._key = key
        self._around = around
        self._stop_requested = anyio.Event()
        self._feed = ClaimedChunks(self.tell_room)
        self._handout: Handout | None = None
        self._opened: OpenRun | None = None
        self._guard: RunGuard | None = None
        self._has_told_room = True  # the first chunk is on its way
        self._is_closed = False
        self._is_over = False
        self._answer: ItemsStored | None = None
        self._has_answer = anyio.Event()
        self._run: Run | None = None
        self._run_limit: RunLimit | None = None
        self._known_cost, self._known_tokens = 0.0, 0

    @property
    def limits(self) -> dict[str, SharedLimit]:
        """Return the limits of the run's calls, and what is left of its budget and of its project's month."""
        if self._run is None or self._guard is None:
            return {}
        limits = budget_limits(self._run, self._guard, self._known_cost, self._known_tokens)
        month = self._guard.month
        if month is not None:
            limits |= month_limits(month, month.told)
        if self._feed.count:
            # A call that waits for a slot needs its part of the budget when it gets one.
            limits = {name: replace(limit, wanted=limit.most) for name, limit in limits.items()}
        if self._run_limit is not None:
            limits[self._run_limit.name] = self._run_limit.shared
        return limits

    def take_happened(self) -> Happened | None:
        """Return what happened to the run's calls since the last time; None before there are any."""
        return None if self._guard is None else self._guard.take()

    def learn_happened(self, known: Happened) -> None:
        """Note what happened to the run's calls at all processes."""
        if self._guard is not None:
            self._known_cost, self._known_tokens = known.cost, known.tokens
            self._guard.learn(known)

    def give(self, chunk: Chunk, tasks: TaskGroup) -> None:
        """Evaluate a chunk."""
        self._has_told_room = False
        tasks.start_soon(self._evaluate, chunk)

    async def _evaluate(self, chunk: Chunk) -> None:
        await self._feed.execute(chunk)
        self._around.on_chunk_ended()

    def close(self) -> None:
        """End once the chunks given so far are done: no more will come."""
        self._is_closed = True
        self._feed.close()

    def stop(self) -> None:
        """Drop everything: the run is over."""
        self._stop_requested.set()
        self.close()

    def note_stored(self, answer: ItemsStored) -> None:
        """Take the answer to the items that were sent last."""
        self._answer = answer
        self._has_answer.set()

    def learn(self, flow: JsonObject) -> None:
        """Note how the run's calls go at all processes."""
        if self._opened is not None:
            self._opened.callers.learn(flow)

    def tell_room(self) -> None:
        """Ask for another chunk, if one could begin."""
        handout = self._handout
        if handout is None or self._has_told_room or self._is_closed or self._stop_requested.is_set():
            return
        if not self._feed.waiting and handout.has_room:
            self._has_told_room = True
            self._around.send(RoomLeft(self._key))

    async def serve(self) -> None:
        """Evaluate chunks until closed or stopped, and tell the executor how that ended."""
        failure: ItemError | None = None
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._close_when_stopped)
            try:
                failure = await self._serve()
            except Exception as error:
                if not is_unavailable(error):
                    structlog.get_logger("evalhaven.runs").exception("run_abandoned", run_key=self._key.run_key)
            finally:
                self._feed.abandon()
            watching.cancel_scope.cancel()
        self._end(failure)

    async def _close_when_stopped(self) -> None:
        """Wait for no more chunks once the guard has a verdict."""
        await self._stop_requested.wait()
        self.close()

    def _end(self, failure: ItemError | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._around.send(PartEnded(self._key, failure))

    async def _serve(self) -> ItemError | None:
        engine = self._engine
        async with engine.database.read() as tx:
            run = await get_run_by_key(tx, self._scope, self._key.run_key)
            parent = await get_eval_by_key(tx, self._scope, run.eval_key)
            month = await find_month_of(tx, run, parent, engine.clock.now())
        purse, spent = purse_of(run, self._around.want_slots), run.tally.spending
        guard = RunGuard(run.options.budget, spent, self._stop_requested, purse, self._ask_others)
        self._run, self._guard = run, guard
        self._known_cost, self._known_tokens = spent.priced_cost, spent.tokens
        try:
            with engine.months.entered(run.scope, month, guard, self._around.want_slots):
                await self._execute(run, parent, guard)
        except Exception as error:
            return await RunEnding(engine, run).find_failure(error, guard.verdict)
        return None

    async def _execute(self, run: Run, parent: Eval, guard: RunGuard) -> None:
        most = run.options.max_concurrency
        if most is not None:
            self._run_limit = RunLimit(run.key, most)
            self._around.want_slots()
        slots = None if self._run_limit is None else self._run_limit.slots
        async with open_run(self._engine, run, parent, guard, slots) as opened:
            errored = run.tally.errored if run.times_retried else 0
            guard.expect_calls((run.items_planned or 0) - run.tally.total + errored)
            self._opened = opened
            if opened.callers:
                # Retries that are counted from here on are this process's own.
                self._around.send(FlowTold(self._key, opened.flow))
            elsewhere = Elsewhere(partial(self._store, run), self._tell_flow)
            handout = Handout(opened, self._feed, self._stop_requested, None, elsewhere, self._around.processes)
            handout.window.on_room = self.tell_room
            self._handout = handout
            await handout.run_chunks()
            if guard.verdict is None:
                # Everything is stored: closing graders keeps nobody waiting.
                self._end(None)

    def _ask_others(self) -> bool:
        self._around.want_slots()
        return True

    def _tell_flow(self, flow: JsonObject) -> None:
        self._around.send(FlowTold(self._key, flow))

    async def _store(self, run: Run, finished: FinishedItems, finished_chunks: Sequence[int]) -> Stored | None:
        """Have the executor store items."""
        # Items that are evaluated again are compared with the stored ones.
        sent = finished if run.times_retried else finished.as_rows()
        while True:
            self._has_answer = anyio.Event()
            self._around.send(ItemsFinished(self._key, sent, finished_chunks))
            await self._has_answer.wait()
            answer = self._answer
            if answer is None or not answer.needs_items:
                break
            sent = finished
        return None if answer is None else answer.stored
