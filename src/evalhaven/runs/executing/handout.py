"""The pending chunks of a run, handed out a few at once, and the state of its calls to models meanwhile."""

from contextlib import AsyncExitStack

import anyio

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.runs import Chunk, Run
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.evaluating.judging import Callers
from evalhaven.runs.executing.call_events import CallEvents
from evalhaven.runs.executing.chunks import ChunkRunner, open_chunk_runner
from evalhaven.runs.executing.turn import Turn
from evalhaven.runs.executing.window import ChunkWindow
from evalhaven.runs.sources.source import CHUNK_ROWS
from evalhaven.storage.chunks import list_pending_chunks
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.run_writes import save_flow

CHUNKS_OF_A_RUN = 2  # under way at once, so that a short run starts at once behind a huge one
CHUNKS_AT_ONCE = 4  # of all runs that call no model
SAMPLED_CHUNKS_OF_A_RUN = 64  # a row refused three times keeps its chunk open for long, and others must not wait
LARGE_CHUNK_BYTES = 4 * 1024 * 1024
_FLOW_S = 1.0
_LOOK_S = 0.2
_LAST_FLOW_S = 2.0
_WINDOW_BYTES = 16 * 1024 * 1024


class Handout:
    """Hands out the chunks of one run."""

    def __init__(
        self,
        engine: Engine,
        run: Run,
        evaluator: ItemEvaluator,
        callers: Callers,
        isolation: JsonObject,
        turn: Turn,
        stop_requested: anyio.Event,
    ) -> None:
        """Hand out nothing yet.

        Args:
            engine: What runs are executed with.
            run: The run.
            evaluator: Evaluates its items.
            callers: The parts of the run that call models.
            isolation: How the Python graders of the run are isolated; empty if it has none.
            turn: Tells when the first chunk may be evaluated.
            stop_requested: Set when the run was canceled or deleted, or its guard has a verdict.
        """
        self._engine = engine
        self._run = run
        self._evaluator = evaluator
        self._callers = callers
        self._stop_requested = stop_requested
        self._isolation = isolation
        self._turn = turn
        self._call_events = CallEvents(run.flow)
        self._happened: list[RunEvent] = []

    async def run_chunks(self) -> None:
        """Execute the pending chunks in order, a few at once, and store the state of calls to models every second.

        Raises:
            RunStoppedError: The run was canceled or deleted meanwhile, or its guard has a verdict.
        """
        try:
            async with anyio.create_task_group() as helpers:
                if self._callers:
                    helpers.start_soon(self._save_flow_regularly)
                await self._run_pending_chunks()
                helpers.cancel_scope.cancel()
        finally:
            if self._callers:
                with anyio.move_on_after(_LAST_FLOW_S, shield=True):
                    await self._save_flow()
        if self._stop_requested.is_set():
            raise RunStoppedError

    async def _run_pending_chunks(self) -> None:
        window = self._window()
        row = 1 / self._evaluator.repeats

        def finish(chunk: Chunk) -> None:
            window.finish(chunk, row)

        async with open_chunk_runner(self._engine, self._run, self._evaluator, self._stop_requested, finish) as runner:
            await self._run_within(window, runner)

    async def _run_within(self, window: ChunkWindow, runner: ChunkRunner) -> None:
        """Execute the pending chunks as a window admits them."""
        engine, run = self._engine, self._run
        last = -1

        async def run_one(chunk: Chunk) -> None:
            try:
                while not await run_in_turn(chunk):
                    await self._turn.pause()
            except RunStoppedError:
                self._stop_requested.set()
            finally:
                window.leave(chunk)

        async def run_in_turn(chunk: Chunk) -> bool:
            async with AsyncExitStack() as held:
                if not self._callers.has_answers:
                    await held.enter_async_context(engine.chunk_slots)
                    if chunk.size_bytes > LARGE_CHUNK_BYTES:
                        await held.enter_async_context(engine.large_chunk)
                if not await self._turn.has_come(run):
                    return False
                await runner.run_chunk(chunk)
                return True

        async def list_next() -> list[Chunk]:
            async with engine.database.read() as tx:
                return await list_pending_chunks(tx, run.scope, run.key, above=last, limit=SAMPLED_CHUNKS_OF_A_RUN)

        async with anyio.create_task_group() as tasks:
            while not self._stop_requested.is_set() and (chunks := await engine.patience.persist(list_next)):
                for chunk in chunks:
                    await window.enter(chunk)
                    if self._stop_requested.is_set():
                        window.leave(chunk)
                        break
                    tasks.start_soon(run_one, chunk)
                    last = chunk.number

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
        engine, run, flow = self._engine, self._run, self._callers.flow
        self._happened += self._call_events.since_last(flow, engine.clock.now())
        try:
            async with engine.database.write() as tx:
                await save_flow(tx, run.scope, run.key, {**flow, **self._isolation}, self._happened)
            self._happened = []
        except Exception as error:
            if not is_unavailable(error):
                raise

    def _window(self) -> ChunkWindow:
        if not self._callers.has_answers:
            return ChunkWindow(CHUNKS_OF_A_RUN, CHUNKS_OF_A_RUN * CHUNK_ROWS, CHUNKS_OF_A_RUN * LARGE_CHUNK_BYTES)
        # One chunk more than needed, so that the number of calls under way does not drop at the end of each chunk.
        rows = self._evaluator.most_at_once // self._evaluator.repeats + CHUNK_ROWS
        return ChunkWindow(SAMPLED_CHUNKS_OF_A_RUN, rows, _WINDOW_BYTES)
