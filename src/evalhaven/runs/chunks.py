"""The chunk runner: executes one chunk of a run, however it was handed out and however often.

Only positions without an output item are executed; items are stored in durable batches together with the tally that
they add to. So a chunk cut short at any point and run again leaves the same rows and the same counts.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectSendStream

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.samples import Sample
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.batches import Batch, Outbox
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.items import ItemEvaluator
from evalhaven.runs.rows import parse_row
from evalhaven.runs.stored_rows import Rows, open_missing_rows
from evalhaven.storage.chunks import mark_chunk_done
from evalhaven.storage.output_items import insert_output_items
from evalhaven.storage.regrading import replace_mended_items
from evalhaven.storage.runs import lock_tally, save_tally
from evalhaven.storage.sample_cache import remember_samples

_SLICE_S = 0.002  # that a task may compute before others get their turn


class ChunkRunner:
    """Executes chunks of one run."""

    def __init__(
        self,
        engine: Engine,
        run: Run,
        evaluator: ItemEvaluator,
        stop_requested: anyio.Event | None = None,
        on_item: Callable[[Chunk], None] | None = None,
    ) -> None:
        """Execute nothing yet.

        Args:
            engine: What runs are executed with.
            run: The run.
            evaluator: Evaluates its items.
            stop_requested: Set when the run was canceled or deleted: items under way are dropped then.
            on_item: Told of each item that was waited for and is finished.
        """
        self._engine = engine
        self._run = run
        self._evaluator = evaluator
        self._stop_requested = stop_requested or anyio.Event()
        self._on_item = on_item

    async def run_chunk(self, chunk: Chunk) -> None:
        """Execute what is missing of a chunk and mark it as done.

        The next batch is evaluated while one is being stored.

        Raises:
            RunStoppedError: The run is no longer in progress.
        """
        send, receive = anyio.create_memory_object_stream[Batch](0)
        is_done = False
        async with anyio.create_task_group() as tasks, receive:
            tasks.start_soon(self._evaluate, chunk, send)
            async for batch in receive:
                if not await self._engine.patience.persist(partial(self._record, chunk, batch)):
                    tasks.cancel_scope.cancel()
                    break
                is_done = batch.is_last
        if not is_done:
            raise RunStoppedError

    async def _evaluate(self, chunk: Chunk, send: MemoryObjectSendStream[Batch]) -> None:
        async with send, open_missing_rows(self._engine, self._run, chunk, self._evaluator.repeats) as rows:
            if self._evaluator.is_waiting:
                concurrency = min(self._evaluator.concurrency, chunk.row_count * self._evaluator.repeats)
                await self._evaluate_abreast(chunk, rows, concurrency, send)
                return
            batch = Batch()
            for position, repeat, text in rows:
                if self._stop_requested.is_set():
                    return
                if batch.is_full:
                    await send.send(batch)
                    batch = Batch()
                row = parse_row(text) if isinstance(text, bytes) else await text.take(position, repeat)
                batch.add(await self._evaluator.evaluate_item(row, position, repeat))
            batch.is_last = True
            await send.send(batch)

    async def _evaluate_abreast(
        self, chunk: Chunk, rows: Rows, concurrency: int, send: MemoryObjectSendStream[Batch]
    ) -> None:
        """Evaluate rows with a fixed number of tasks; what ended is stored soon, also while others wait."""
        outbox = Outbox(send)
        watch = anyio.CancelScope()
        async with anyio.create_task_group() as helpers:
            helpers.start_soon(outbox.flush_regularly)
            async with anyio.create_task_group() as pool:
                helpers.start_soon(self._cancel_when_stopped, pool.cancel_scope, watch)
                for _ in range(concurrency):
                    pool.start_soon(self._evaluate_rows, chunk, rows, outbox)
            watch.cancel()
            outbox.close()
        # Not before all of them ended is a batch the last one; of a run that is stopped, what was finished stays.
        await outbox.flush(is_last=not self._stop_requested.is_set())

    async def _cancel_when_stopped(self, scope: anyio.CancelScope, watch: anyio.CancelScope) -> None:
        with watch:
            await self._stop_requested.wait()
            scope.cancel()

    async def _evaluate_rows(self, chunk: Chunk, rows: Rows, outbox: Outbox) -> None:
        """Take rows that others take too, one after the other, until there are none."""
        resumed_at = time.monotonic()
        for position, repeat, text in rows:
            if self._stop_requested.is_set():
                return
            row = parse_row(text) if isinstance(text, bytes) else await text.take(position, repeat)
            await outbox.add(await self._evaluator.evaluate_item(row, position, repeat))
            if self._on_item is not None:
                self._on_item(chunk)
            if time.monotonic() - resumed_at > _SLICE_S:
                await anyio.lowlevel.checkpoint()
                resumed_at = time.monotonic()

    async def _record(self, chunk: Chunk, batch: Batch) -> bool:
        """Store items and fold the new ones into the tally, in one transaction; False: the run was stopped."""
        run = self._run
        async with self._engine.database.write() as tx:
            status, tally = await lock_tally(tx, run.scope, run.key)
            if status is not RunStatus.IN_PROGRESS:
                return False
            if batch.items:
                new = await insert_output_items(tx, run.scope, run.key, batch.items)
                if run.times_retried:
                    mended = await replace_mended_items(tx, run.scope, run.key, batch.items)
                    tally = tally.without([older for older, _ in mended], self._evaluator.criteria_count)
                    new += [item for _, item in mended]
                tally = tally.fold(new, self._evaluator.criteria_count)
                await save_tally(tx, run.scope, run.key, tally)
                await remember_samples(tx, run.scope, _answers(new), int(self._engine.clock.now()))
            if batch.is_last:
                await mark_chunk_done(tx, run.scope, run.key, chunk.number)
        return True


def _answers(items: Sequence[OutputItem]) -> dict[bytes, Sample]:
    """Return the answers among new items that are to be remembered."""
    samples = [item.sample for item in items]
    samples += [call for item in items for grade in item.grades for call in grade.calls]
    return {sample.request_hash: sample for sample in samples if sample.request_hash and sample.is_whole}
