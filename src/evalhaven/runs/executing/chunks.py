"""The chunk runner: executes one chunk of a run, however and however many times it was handed out.

Only positions without an output item are executed; items are stored in durable batches together with the tally that
they add to. So a chunk that is interrupted at any point and run again leaves the same rows and the same counts.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.samples import Sample
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import Tally
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.executing.batches import Batch, BatchLimits, Outbox
from evalhaven.runs.executing.pool import ItemPool
from evalhaven.runs.sources.choice import open_missing_rows, source_of
from evalhaven.storage.chunks import mark_chunks_done
from evalhaven.storage.output_item_writes import StoredBeforeError, insert_output_items
from evalhaven.storage.output_items import ItemRow, item_values
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.regrading import replace_mended_items
from evalhaven.storage.run_writes import save_tally
from evalhaven.storage.runs import lock_tally
from evalhaven.storage.sample_cache import remember_samples


class ChunkHandedBackError(Exception):
    """Not all items of a chunk were evaluated here; the others are executed elsewhere, or later."""


Transaction = TypeVar("Transaction", bound=WriteTransaction)
Added = tuple[Tally, Sequence[OutputItem]]  # what all items of the run add up to, and the new ones among them


@dataclass(frozen=True, slots=True)
class InTransaction:
    """What else belongs to the transactions that store a run's items, where several processes execute it.

    Attributes:
        may_store: Tells whether this process may still store items of the run, which is locked.
        after_chunks: Called when chunks were marked as done.
        on_tally: Told what all items of the run add up to, and the new ones among them.
        may_begin: Tells, outside of transactions, whether another item may be begun.
        save_flow: Stores how the run's calls go at all processes; None where only one makes any.
    """

    may_store: Callable[[AsyncConnection], Awaitable[bool]]
    after_chunks: Callable[[AsyncConnection], Awaitable[None]]
    on_tally: Callable[[Tally, Sequence[OutputItem]], None]
    may_begin: Callable[[], bool]
    save_flow: Callable[[AsyncConnection], Awaitable[None]] | None = None


@asynccontextmanager
async def open_chunk_runner(
    engine: Engine,
    run: Run,
    evaluator: ItemEvaluator,
    stop_requested: anyio.Event | None = None,
    on_item: Callable[[Chunk], None] | None = None,
    limits: BatchLimits | None = None,
    in_transaction: InTransaction | None = None,
) -> AsyncGenerator["ChunkRunner"]:
    """Open the runner of a run's chunks: its tasks and the outbox that stores their items.

    Args:
        engine: What runs are executed with.
        run: The run.
        evaluator: Evaluates its items.
        stop_requested: Set when the run was canceled or deleted: items under way are dropped then.
        on_item: Called for each item that is finished.
        limits: When a batch of items is full; None: the default.
        in_transaction: What else belongs to the transactions that store items; None: nothing.
    """
    stop_requested = stop_requested or anyio.Event()
    runner = ChunkRunner(engine, run, evaluator, stop_requested, on_item, limits or BatchLimits(), in_transaction)
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
        evaluator: ItemEvaluator,
        stop_requested: anyio.Event,
        on_item: Callable[[Chunk], None] | None,
        limits: BatchLimits,
        in_transaction: InTransaction | None,
    ) -> None:
        self._engine = engine
        self._in_transaction = in_transaction
        self._run = run
        self._source = source_of(engine, run)
        self._evaluator = evaluator
        self._stop_requested = stop_requested
        self.outbox = Outbox(self._store, limits)
        may_begin = None if in_transaction is None else in_transaction.may_begin
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
        rows = [item_values(self._run.scope, self._run.key, item) for item in batch.items]
        stored = await self._engine.patience.persist(partial(self._record, batch, rows))
        if not stored:
            self._stop_requested.set()
        return stored

    async def _record(self, batch: Batch, rows: Sequence[ItemRow]) -> bool:
        """Store items and fold the new ones into the tally, in one transaction; False: the run was stopped."""
        try:
            # If the run is retried, its errored items are stored already.
            return await self._record_items(batch, rows, may_be_stored=self._run.times_retried > 0)
        except StoredBeforeError:
            # The answer to a commit was lost, and the batch is sent again.
            return await self._record_items(batch, rows, may_be_stored=True)

    async def _record_items(self, batch: Batch, rows: Sequence[ItemRow], *, may_be_stored: bool) -> bool:
        add = partial(self._add, batch=batch, rows=rows, may_be_stored=may_be_stored)
        shared = self._in_transaction
        if shared is None:
            return await self._engine.database.store(add) is not None
        async with self._engine.database.write() as tx:
            added = await add(tx, shared.may_store)
            if added is not None and batch.finished_chunks:
                await shared.after_chunks(tx)
        if added is not None:
            shared.on_tally(*added)
        return added is not None

    async def _add(
        self,
        tx: Transaction,
        may_store: Callable[[Transaction], Awaitable[bool]] | None = None,
        *,
        batch: Batch,
        rows: Sequence[ItemRow],
        may_be_stored: bool,
    ) -> Added | None:
        """Store the items of a batch, and mark its chunks as done, unless the run was stopped.

        Args:
            tx: Open write transaction.
            may_store: Tells whether this process may still store items of the run, which is locked; None: it may.
            batch: What is to be stored.
            rows: The rows of its items.
            may_be_stored: Whether some of them may be stored already.
        """
        run = self._run
        status, tally = await lock_tally(tx, run.scope, run.key)
        if status is not RunStatus.IN_PROGRESS or not (may_store is None or await may_store(tx)):
            return None
        new: Sequence[OutputItem] = ()
        if batch.items:
            new = await insert_output_items(tx, run.scope, run.key, batch.items, rows=rows, may_be_stored=may_be_stored)
            if run.times_retried:
                mended = await replace_mended_items(tx, run.scope, run.key, batch.items)
                tally = tally.without([older for older, _ in mended], self._evaluator.criteria_count)
                new = [*new, *[item for _, item in mended]]
            tally = tally.fold(new, self._evaluator.criteria_count)
            await save_tally(tx, run.scope, run.key, tally, is_progress=bool(new))
            await remember_samples(tx, run.scope, _answers(new), int(self._engine.clock.now()))
        if batch.finished_chunks:
            await mark_chunks_done(tx, run.scope, run.key, batch.finished_chunks)
        return tally, new


def _answers(items: Sequence[OutputItem]) -> dict[bytes, Sample]:
    """Return the answers in new items that are to be remembered."""
    samples = [item.sample for item in items]
    samples += [call for item in items for grade in item.grades for call in grade.calls]
    return {sample.request_hash: sample for sample in samples if sample.request_hash and sample.is_whole}
