"""The chunk runner: executes one chunk of a run, however and however many times it was handed out.

Only positions without an output item are executed; items are stored in durable batches together with the tally that
they add to. So a chunk that is interrupted at any point and run again leaves the same rows and the same counts.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from evalhaven.domain.runs import Chunk, Run
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.evaluating.items import Evaluator, ItemEvaluator
from evalhaven.runs.evaluating.traced import TracedEvaluator
from evalhaven.runs.executing.batches import Batch, BatchLimits, Outbox
from evalhaven.runs.executing.finished import finish_items
from evalhaven.runs.executing.pool import ItemPool
from evalhaven.runs.executing.writing import Elsewhere, InTransaction, RunWriter
from evalhaven.runs.sources.choice import open_missing_rows, source_of


class ChunkHandedBackError(Exception):
    """Not all items of a chunk were evaluated here; the others are executed elsewhere, or later."""


@asynccontextmanager
async def open_chunk_runner(
    engine: Engine,
    run: Run,
    evaluator: ItemEvaluator,
    stop_requested: anyio.Event | None = None,
    on_item: Callable[[Chunk], None] | None = None,
    limits: BatchLimits | None = None,
    storing: InTransaction | Elsewhere | None = None,
) -> AsyncGenerator["ChunkRunner"]:
    """Open the runner of a run's chunks: its tasks and the outbox that stores their items.

    Args:
        engine: What runs are executed with.
        run: The run.
        evaluator: Evaluates its items.
        stop_requested: Set when the run was canceled or deleted: items under way are dropped then.
        on_item: Called for each item that is finished.
        limits: When a batch of items is full; None: the default.
        storing: What else belongs to the transactions that store items, or who stores them; None: this process alone.
    """
    stop_requested = stop_requested or anyio.Event()
    runner = ChunkRunner(engine, run, evaluator, stop_requested, on_item, limits or BatchLimits(), storing)
    async with anyio.create_task_group() as helpers:
        await helpers.start(runner.pool.serve)
        helpers.start_soon(runner.outbox.store_batches)
        yield runner
        helpers.cancel_scope.cancel()


class ChunkRunner:
    """Executes chunks of one run, several at once."""

    def __init__(
        self,
        engine: Engine,
        run: Run,
        evaluator: Evaluator,
        stop_requested: anyio.Event,
        on_item: Callable[[Chunk], None] | None,
        limits: BatchLimits,
        storing: InTransaction | Elsewhere | None,
    ) -> None:
        self._engine = engine
        self._run = run
        may_begin = None
        if isinstance(storing, Elsewhere):
            self._store_items = storing.store
        else:
            self._store_items = RunWriter(engine, run, evaluator.criteria_count, storing).store
            may_begin = None if storing is None else storing.may_begin
        self._source = source_of(engine, run)
        self._evaluator = evaluator
        self._stop_requested = stop_requested
        self.outbox = Outbox(self._store, limits)
        if engine.tracing is not None:
            evaluator = TracedEvaluator(evaluator, engine.tracing, run)
        self.pool = ItemPool(evaluator, self.outbox, stop_requested, on_item, may_begin)

    async def run_chunk(self, chunk: Chunk) -> None:
        """Execute the missing items of a chunk and mark it as done.

        Raises:
            ChunkHandedBackError: Other items than those stored now were not begun.
            RunStoppedError: The run is no longer in progress.
        """
        async with open_missing_rows(self._engine, self._run, self._source, chunk) as rows:
            is_whole = await self.pool.evaluate_rows(chunk, rows)
        if self._stop_requested.is_set():
            # Finished items are kept, if the run may still have them.
            await self.outbox.store_now()
            raise RunStoppedError
        if not is_whole:
            await self.outbox.store_now()
            raise ChunkHandedBackError
        await self.outbox.store_now(chunk.number)
        if self.outbox.is_refused:
            raise RunStoppedError

    async def _store(self, batch: Batch) -> bool:
        # Rows are made before the transaction, during which nobody else can write to SQLite, and once.
        finished = finish_items(self._run, batch.items, self._evaluator.criteria_count)
        if await self._store_items(finished, batch.finished_chunks) is None:
            self._stop_requested.set()
            return False
        return True
