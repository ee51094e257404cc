"""The pending chunks of a run, handed out a few at once, and the state of its calls to models meanwhile."""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import anyio

from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.runs import Chunk
from evalhaven.runs.engine import RunStoppedError
from evalhaven.runs.executing.call_events import CallEvents
from evalhaven.runs.executing.chunks import ChunkHandedBackError, ChunkRunner, open_chunk_runner
from evalhaven.runs.executing.feeds import CHUNKS_AT_A_TIME, ChunkFeed
from evalhaven.runs.executing.opening import OpenRun
from evalhaven.runs.executing.turn import Turn
from evalhaven.runs.executing.window import ChunkWindow
from evalhaven.runs.executing.writing import Elsewhere, InTransaction
from evalhaven.runs.sources.source import CHUNK_ROWS
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.run_writes import save_flow

CHUNKS_OF_A_RUN = 2  # under way at once, so that a short run starts at once behind a huge one
CHUNKS_AT_ONCE = 4  # of all runs that call no model
SAMPLED_CHUNKS_OF_A_RUN = CHUNKS_AT_A_TIME  # a row refused three times keeps its chunk open, and others must not wait
LARGE_CHUNK_BYTES = 4 * 1024 * 1024
_FLOW_S = 1.0
_LOOK_S = 0.2
_LAST_FLOW_S = 2.0
_WINDOW_BYTES = 16 * 1024 * 1024


class Handout:
    """Hands out the chunks of one run."""

    def __init__(
        self,
        opened: OpenRun,
        feed: ChunkFeed,
        stop_requested: anyio.Event,
        turn: Turn | None = None,
        storing: InTransaction | Elsewhere | None = None,
        processes: int = 1,
    ) -> None:
        """Hand out nothing yet.

        Args:
            opened: The run.
            feed: Where its chunks come from.
            stop_requested: Set when the run was canceled or deleted, or its guard has a verdict.
            turn: Tells when the first chunk may be evaluated; None: at once.
            storing: What else belongs to the transactions that store its items, or who stores them.
            processes: How many processes hand out chunks of the run beside each other.
        """
        self._engine = opened.engine
        self._opened = opened
        self._run = opened.run
        self._evaluator = opened.evaluator
        self._callers = opened.callers
        self._feed = feed
        self._stop_requested = stop_requested
        self._turn = turn
        self._storing = storing
        self._call_events = CallEvents(opened.run.flow)
        self._happened: list[RunEvent] = []
        self.window = self._window(processes)
        self.runner: ChunkRunner | None = None

    @property
    def has_room(self) -> bool:
        """Tell whether one more chunk could begin now."""
        return not self.window.is_full and (self._callers.has_answers or self._engine.chunk_slots.available_tokens > 0)

    async def run_chunks(self) -> None:
        """Execute the pending chunks in order, a few at once, and store the state of calls to models every second.

        The last state is for `flow_writer` where this process completes the run.

        Raises:
            RunStoppedError: The run was canceled or deleted meanwhile, or its guard has a verdict.
        """
        is_over = False
        try:
            async with anyio.create_task_group() as helpers:
                if self._callers:
                    helpers.start_soon(self._save_flow_regularly)
                helpers.start_soon(self._close_feed_when_stopped)
                await self._run_pending_chunks()
                helpers.cancel_scope.cancel()
            is_over = self._storing is None and not self._stop_requested.is_set()
        finally:
            if self._callers and not is_over:
                with anyio.move_on_after(_LAST_FLOW_S, shield=True):
                    await self._save_flow()
        if self._stop_requested.is_set():
            raise RunStoppedError

    async def _close_feed_when_stopped(self) -> None:
        await self._stop_requested.wait()
        self._feed.close()

    async def _run_pending_chunks(self) -> None:
        window = self.window
        row = 1 / self._evaluator.repeats

        def finish(chunk: Chunk) -> None:
            window.finish(chunk, row)

        async with open_chunk_runner(
            self._engine, self._run, self._evaluator, self._stop_requested, finish, storing=self._storing
        ) as self.runner:
            await self._run_within(window, self.runner)

    async def _run_within(self, window: ChunkWindow, runner: ChunkRunner) -> None:
        """Execute the pending chunks as a window admits them."""

        async def run_one(chunk: Chunk) -> None:
            try:
                await self._run_in_turn(chunk, runner)
            except ChunkHandedBackError:
                pass  # it is executed elsewhere
            except RunStoppedError:
                self._stop_requested.set()
            finally:
                window.leave(chunk)
                self._feed.finish(chunk)

        async with anyio.create_task_group() as tasks:
            while not self._stop_requested.is_set() and (chunks := await self._feed.next_chunks()):
                for chunk in chunks:
                    await window.enter(chunk)
                    if self._stop_requested.is_set():
                        window.leave(chunk)
                        break
                    tasks.start_soon(run_one, chunk)

    async def _run_in_turn(self, chunk: Chunk, runner: ChunkRunner) -> None:
        """Execute a chunk as soon as it is the run's turn."""
        while True:
            async with AsyncExitStack() as held:
                if not self._callers.has_answers:
                    await held.enter_async_context(self._engine.chunk_slots)
                    if chunk.size_bytes > LARGE_CHUNK_BYTES:
                        await held.enter_async_context(self._engine.large_chunk)
                if self._turn is None or await self._turn.has_come(self._run):
                    await runner.run_chunk(chunk)
                    return
            await self._turn.pause()

    async def _save_flow_regularly(self) -> None:
        told: list[bool] = []
        saved_at = anyio.current_time()
        while True:
            await anyio.sleep(_LOOK_S)
            # An unreachable endpoint is reported at once, everything else once a second.
            unreachable, now = self._callers.unreachable, anyio.current_time()
            if unreachable != told or now - saved_at >= _FLOW_S:
                told, saved_at = unreachable, now
                await self._save_flow()

    async def _save_flow(self) -> None:
        """Store how calls go, unless the database is away: the tasks that store items wait for it already."""
        if isinstance(self._storing, Elsewhere):
            self._storing.tell_flow(self._opened.flow)
            return
        shared = None if self._storing is None else self._storing.save_flow
        try:
            if shared is None:
                await self._save_own_flow()
            else:
                async with self._engine.database.write() as tx:
                    await shared(tx)
        except Exception as error:
            if not is_unavailable(error):
                raise

    async def _save_own_flow(self) -> None:
        write = self.flow_writer()
        if write is not None:
            await self._engine.database.store(write)
            self._happened = []

    def flow_writer(self) -> Callable[[WriteTransaction], Coroutine[Any, Any, None]] | None:
        """Return what writes how calls go now, and what happened to them since that was last written; None without."""
        if not self._callers:
            return None
        run, flow = self._run, self._opened.flow
        self._happened += self._call_events.since_last(flow, self._engine.clock.now())
        happened = list(self._happened)

        async def write(tx: WriteTransaction) -> None:
            await save_flow(tx, run.scope, run.key, flow, happened)

        return write

    def _window(self, processes: int) -> ChunkWindow:
        if not self._callers.has_answers:
            return ChunkWindow(CHUNKS_OF_A_RUN, CHUNKS_OF_A_RUN * CHUNK_ROWS, CHUNKS_OF_A_RUN * LARGE_CHUNK_BYTES)
        # One chunk more than needed, so that the number of calls under way does not drop at the end of each chunk.
        rows = self._evaluator.most_at_once // self._evaluator.repeats // processes + CHUNK_ROWS
        return ChunkWindow(SAMPLED_CHUNKS_OF_A_RUN, rows, _WINDOW_BYTES)
