"""The chunk runner: executes one chunk of a run, however it was handed out and however often.

Only positions without an output item are executed; items are stored in durable batches together with the tally that
they add to. So a chunk cut short at any point and run again leaves the same rows and the same counts.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.items import ItemEvaluator
from evalhaven.runs.plan import source_blob
from evalhaven.runs.rows import lines_of, parse_row
from evalhaven.storage.chunks import mark_chunk_done
from evalhaven.storage.output_items import insert_output_items, list_stored_positions
from evalhaven.storage.runs import lock_tally, save_tally

BATCH_ITEMS = 256
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class _Batch:
    items: list[OutputItem] = field(default_factory=list[OutputItem])
    size_bytes: int = 0
    is_last: bool = False

    @property
    def is_full(self) -> bool:
        return len(self.items) >= BATCH_ITEMS or self.size_bytes >= BATCH_BYTES


class ChunkRunner:
    """Executes chunks of one run."""

    def __init__(self, engine: Engine, run: Run, evaluator: ItemEvaluator) -> None:
        self._engine = engine
        self._run = run
        self._evaluator = evaluator

    async def run_chunk(self, chunk: Chunk) -> None:
        """Execute what is missing of a chunk and mark it as done.

        The next batch is evaluated while one is being stored.

        Raises:
            RunStoppedError: The run is no longer in progress.
        """
        send, receive = anyio.create_memory_object_stream[_Batch](0)
        is_stopped = False
        async with anyio.create_task_group() as tasks, receive:
            tasks.start_soon(self._evaluate, chunk, send)
            async for batch in receive:
                is_stopped = not await self._engine.patience.persist(partial(self._record, chunk, batch))
                if is_stopped:
                    tasks.cancel_scope.cancel()
                    break
        if is_stopped:
            raise RunStoppedError

    async def _evaluate(self, chunk: Chunk, send: MemoryObjectSendStream[_Batch]) -> None:
        batch = _Batch()
        async with send, aclosing(self._missing_items(chunk)) as items:
            async for item in items:
                if batch.is_full:
                    await send.send(batch)
                    batch = _Batch()
                batch.items.append(item)
                batch.size_bytes += len(item.item_text) + len(item.sample.recorded_text or "")
            batch.is_last = True
            await send.send(batch)

    async def _missing_items(self, chunk: Chunk) -> AsyncGenerator[OutputItem]:
        run = self._run
        async with self._engine.database.read() as tx:
            stored = await list_stored_positions(tx, run.scope, run.key, chunk.first_position, chunk.row_count)
        with self._engine.blobs.open(source_blob(run)) as file:
            lines = lines_of(file, chunk.byte_start, chunk.byte_end)
            for position, line in enumerate(lines, start=chunk.first_position):
                if (position, 0) not in stored:
                    yield await self._evaluator.evaluate_item(parse_row(line.text), position)

    async def _record(self, chunk: Chunk, batch: _Batch) -> bool:
        """Store items and fold the new ones into the tally, in one transaction; False: the run was stopped."""
        run = self._run
        async with self._engine.database.write() as tx:
            status, tally = await lock_tally(tx, run.scope, run.key)
            if status is not RunStatus.IN_PROGRESS:
                return False
            if batch.items:
                new = await insert_output_items(tx, run.scope, run.key, batch.items)
                tally = tally.fold(new, self._evaluator.criteria_count)
                await save_tally(tx, run.scope, run.key, tally)
            if batch.is_last:
                await mark_chunk_done(tx, run.scope, run.key, chunk.number)
        return True
