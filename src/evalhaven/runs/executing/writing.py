"""The writer of a run: stores finished items together with the tally that they add to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import Run
from evalhaven.domain.tallies import Tally
from evalhaven.meters.declared import COST, ITEMS, TOKENS
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.finished import FinishedItems, finish_items
from evalhaven.storage.access.limits import add_month_cost
from evalhaven.storage.chunks import mark_chunks_done
from evalhaven.storage.output_item_writes import StoredBeforeError, find_new_items, insert_item_rows
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.regrading import replace_mended_items
from evalhaven.storage.run_writes import save_tally
from evalhaven.storage.runs import lock_tally
from evalhaven.storage.sample_cache import remember_samples


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of items.

    Attributes:
        tally: What all items of the run add up to.
        part: What those add up to that were new.
        cost: US dollars by which the run costs more than before.
    """

    tally: Tally
    part: Tally
    cost: float = 0.0


StoreItems = Callable[[FinishedItems, Sequence[int]], Awaitable[Stored | None]]
"""Stores finished items and marks chunks as done, as `RunWriter.store` does."""


@dataclass(frozen=True, slots=True)
class InTransaction:
    """What else belongs to the transactions that store a run's items, where several processes execute it.

    Attributes:
        after_chunks: Called when chunks were marked as done.
        on_stored: Told what became of items.
        may_begin: Tells, outside of transactions, whether another item may be begun.
        save_flow: Stores how the run's calls go at all processes; None where only one makes any.
    """

    after_chunks: Callable[[AsyncConnection], Awaitable[None]]
    on_stored: Callable[[Stored], None]
    may_begin: Callable[[], bool]
    save_flow: Callable[[AsyncConnection], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another process that stores what this one evaluates.

    Attributes:
        store: Has it store items.
        tell_flow: Tells it how calls go here.
    """

    store: StoreItems
    tell_flow: Callable[[JsonObject], None]


class RunWriter:
    """Stores the items of one run."""

    def __init__(
        self, engine: Engine, run: Run, criteria_count: int, in_transaction: InTransaction | None = None
    ) -> None:
        """Store nothing yet.

        Args:
            engine: What runs are executed with.
            run: The run.
            criteria_count: Number of its testing criteria.
            in_transaction: What else belongs to its transactions; None: nothing.
        """
        self._engine = engine
        self._run = run
        self._criteria_count = criteria_count
        self._in_transaction = in_transaction

    async def store(self, finished: FinishedItems, finished_chunks: Sequence[int]) -> Stored | None:
        """Store items, fold the new ones into the tally, and mark chunks as done, in one transaction.

        Args:
            finished: The items.
            finished_chunks: Chunks of which all items are stored with these or before them.

        Returns:
            What became of them; None: the run was stopped, and nothing was stored.

        Raises:
            StoredBeforeError: Some are stored already, and only the items themselves tell what the others add up to.
        """
        stored = await self._engine.patience.persist(partial(self._record, finished, finished_chunks))
        if stored is not None:
            self._count(stored.part)
        return stored

    def _count(self, part: Tally) -> None:
        """Show on the board what was stored."""
        board = self._engine.board
        for outcome, count in (("passed", part.passed), ("failed", part.failed), ("errored", part.errored)):
            if count:
                board.add(ITEMS, outcome, by=count)
        for usage in part.spending.usage:
            model = board.model_label(usage.model)
            board.add(TOKENS, model, "prompt", by=usage.prompt_tokens)
            board.add(TOKENS, model, "completion", by=usage.completion_tokens)
            if usage.priced_cost:
                board.add(COST, model, by=usage.priced_cost)

    async def _record(self, finished: FinishedItems, finished_chunks: Sequence[int]) -> Stored | None:
        try:
            # If the run is retried, its errored items are stored already.
            is_retried = self._run.times_retried > 0
            return await self._record_items(finished, finished_chunks, may_be_stored=is_retried)
        except StoredBeforeError:
            # The answer to a commit was lost, and the batch is sent again.
            return await self._record_items(finished, finished_chunks, may_be_stored=True)

    async def _record_items(
        self, finished: FinishedItems, finished_chunks: Sequence[int], *, may_be_stored: bool
    ) -> Stored | None:
        add = partial(self._add, finished=finished, finished_chunks=finished_chunks, may_be_stored=may_be_stored)
        shared = self._in_transaction
        if shared is None:

            async def write(tx: WriteTransaction) -> Stored | None:
                stored = await add(tx)
                await self._add_cost(tx, stored)
                return stored

            return await self._engine.database.store(write)
        async with self._engine.database.write() as tx:
            stored = await add(tx)
            if stored is not None and finished_chunks:
                await shared.after_chunks(tx)
            await self._add_cost(tx, stored)
        if stored is not None:
            shared.on_stored(stored)
        return stored

    async def _add_cost(self, tx: WriteTransaction, stored: Stored | None) -> None:
        """Add what items cost to the month; last, since others who store items of the project wait from then on."""
        if stored is not None and stored.cost > 0:
            await add_month_cost(tx, self._run.scope, self._engine.clock.now(), stored.cost)

    async def _add(
        self,
        tx: WriteTransaction,
        *,
        finished: FinishedItems,
        finished_chunks: Sequence[int],
        may_be_stored: bool,
    ) -> Stored | None:
        """Do what `store` does in a transaction.

        Args:
            tx: Open write transaction.
            finished: The items.
            finished_chunks: Chunks that are done.
            may_be_stored: Whether some of the items may be stored already.
        """
        run = self._run
        locked = await lock_tally(tx, run.scope, run.key)
        if not locked.is_open_to(run):
            return None
        new, tally = finished, locked.tally
        if finished.rows:
            if may_be_stored:
                new = await self._find_new(tx, finished)
            await insert_item_rows(tx, run.scope, new.rows)
            if run.times_retried and finished.items is not None:
                mended = await replace_mended_items(tx, run.scope, run.key, finished.items)
                tally = tally.without([older for older, _ in mended], self._criteria_count)
                new = finish_items(run, [*(new.items or ()), *[item for _, item in mended]], self._criteria_count)
            tally = tally.plus(new.part)
            await save_tally(tx, run.scope, run.key, tally, is_progress=bool(new.rows))
            await remember_samples(tx, run.scope, new.answers, int(self._engine.clock.now()))
        if finished_chunks:
            await mark_chunks_done(tx, run.scope, run.key, finished_chunks)
        cost = tally.spending.priced_cost - locked.tally.spending.priced_cost
        return Stored(tally, new.part, cost)

    async def _find_new(self, tx: WriteTransaction, finished: FinishedItems) -> FinishedItems:
        if finished.items is None:
            raise StoredBeforeError
        new = await find_new_items(tx, self._run.scope, self._run.key, finished.rows)
        if len(new) == len(finished.items):
            return finished
        return finish_items(self._run, [finished.items[number] for number in new], self._criteria_count)
