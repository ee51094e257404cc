"""The plan of a run: its rows checked, then cut into chunks, before anything is executed.

Planning starts over after a kill: the chunks of an interrupted plan are deleted, and a run
counts as planned only once `items_planned` is committed, after all of its chunks are stored.
"""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.sources.choice import source_of
from evalhaven.runs.sources.source import Cut
from evalhaven.storage.chunks import delete_chunks, insert_chunks
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.run_writes import save_plan
from evalhaven.storage.runs import lock_tally


@dataclass(frozen=True, slots=True)
class PlanClaim:
    """What a planner has to heed where other processes may plan the same run.

    Attributes:
        is_held: Tells, with the run locked, whether the plan is still this planner's to make.
        on_planned: Called with all chunks in the transaction that marks the run as planned; it refuses, too, if the
            plan was not this planner's to make.
    """

    is_held: Callable[[AsyncConnection], Awaitable[bool]]
    on_planned: Callable[[AsyncConnection, Sequence[Chunk]], Awaitable[None]]


class RunPlanner:
    """Has the rows of one run checked and cut into chunks, and stores the chunks."""

    def __init__(
        self,
        engine: Engine,
        run: Run,
        is_stopped: Callable[[], bool],
        chunks_a_transaction: int = 64,
        claim: PlanClaim | None = None,
        begin: Callable[[WriteTransaction], Awaitable[bool]] | None = None,
    ) -> None:
        """Plan nothing yet.

        Args:
            engine: What runs are executed with.
            run: The run.
            is_stopped: Tells whether planning is to end.
            chunks_a_transaction: How many chunks are stored at once.
            claim: Who may plan the run; None: nobody else does.
            begin: Moves the run to `in_progress` in the first transaction, unless it was ended; None: it is.
        """
        self._begin = begin
        self._claim = claim
        self._engine = engine
        self._run = run
        self._source = source_of(engine, run)
        self._is_stopped = is_stopped
        self._chunks_a_transaction = chunks_a_transaction

    async def plan_run(self, schema: ItemSchema) -> int:
        """Store the chunks of the run and mark it as planned; return the number of its items.

        Raises:
            DamagedFileError: The file's length has changed since it was accepted.
            InvalidRowsError: The file is gone, has no rows, or rows break the schema; up to ten lines are named.
            RunStoppedError: The run was canceled or deleted meanwhile.
        """
        cut = await self._source.cut(schema, self._is_stopped)
        size = self._chunks_a_transaction
        parts = [cut.chunks[first : first + size] for first in range(0, len(cut.chunks), size)] or [[]]
        for number, chunks in enumerate(parts):
            planned = cut if number == len(parts) - 1 else None
            write = partial(self._write, chunks=chunks, is_first=number == 0, planned=planned)
            await self._store(write, planned)
        return self._count_items(cut)

    def _count_items(self, cut: Cut) -> int:
        return sum(chunk.row_count for chunk in cut.chunks) * self._run.repeats

    async def _write(
        self, tx: WriteTransaction, *, chunks: Sequence[Chunk], is_first: bool, planned: Cut | None
    ) -> None:
        """Store some of the chunks, and with the last ones that the run is planned: a short run takes one transaction.

        Args:
            tx: Open write transaction.
            chunks: Those to be stored.
            is_first: Whether they are the first; then an interrupted plan is deleted before.
            planned: The whole plan, with the last chunks.
        """
        scope, key = self._run.scope, self._run.key
        if is_first and self._begin is not None:
            is_open = await self._begin(tx)
        else:
            is_open = (await lock_tally(tx, scope, key)).is_open_to(self._run)
        if not is_open:
            raise RunStoppedError
        if is_first:
            await delete_chunks(tx, scope, key)
        if chunks:
            await insert_chunks(tx, scope, key, chunks)
        if planned is not None:
            at = int(self._engine.clock.now())
            await save_plan(tx, scope, key, self._count_items(planned), at, planned.cautions)

    async def _store(self, write: Callable[[WriteTransaction], Coroutine[Any, Any, None]], planned: Cut | None) -> None:
        claim = self._claim
        if claim is None:
            await self._engine.database.store(write)
            return
        async with self._engine.database.write() as tx:
            await write(tx)
            if planned is None and not await claim.is_held(tx):
                raise RunStoppedError
            if planned is not None:
                await claim.on_planned(tx, planned.chunks)
