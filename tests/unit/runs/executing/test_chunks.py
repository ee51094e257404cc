"""Facts about the chunk runner: executed again, it stores only what is missing."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

import anyio
import pytest
from sqlalchemy.exc import OperationalError

from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import CriterionTally
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.executing.batches import BatchLimits
from evalhaven.runs.executing.chunks import open_chunk_runner
from evalhaven.runs.patience import Patience
from evalhaven.runs.rows.parsing import parse_row
from evalhaven.storage.chunks import insert_chunks
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.run_writes import save_tally
from tests.unit.runs.executed import (
    WatchedEvaluator,
    cancel,
    inline_run,
    lines,
    read_chunks,
    read_items,
    read_run,
    recount,
    row_of,
)

ROWS = 30
SMALL = BatchLimits(items=7)  # so that a chunk is stored in several batches


async def chunked_run(engine: Engine) -> tuple[Run, Chunk]:
    """Store a run of one chunk."""
    content = lines([row_of(number) for number in range(ROWS)])
    run = await inline_run(engine, content)
    chunk = Chunk(0, 0, ROWS, 0, len(content))
    async with engine.database.write() as tx:
        await insert_chunks(tx, run.scope, run.key, [chunk])
    return run, chunk


async def run_chunk(
    engine: Engine,
    run: Run,
    chunk: Chunk,
    evaluator: ItemEvaluator,
    stop_requested: anyio.Event | None = None,
    limits: BatchLimits = SMALL,
) -> None:
    is_stopped = False
    async with open_chunk_runner(engine, run, evaluator, stop_requested, limits=limits) as runner:
        try:
            await runner.run_chunk(chunk)
        except RunStoppedError:
            is_stopped = True
    if is_stopped:
        raise RunStoppedError


async def store_some(engine: Engine, run: Run, positions: list[int]) -> None:
    """Store items of a run and count them, as a runner that was killed later did."""
    evaluator = WatchedEvaluator(engine)
    items = [await evaluator.evaluate_item(parse_row(lines([row_of(number)]).strip()), number) for number in positions]
    async with engine.database.write() as tx:
        new = await insert_output_items(tx, run.scope, run.key, items)
        await save_tally(tx, run.scope, run.key, (await read_run(engine, run)).tally.fold(new, 2))


async def test_every_row_becomes_an_item_and_is_counted(engine: Engine) -> None:
    run, chunk = await chunked_run(engine)
    await run_chunk(engine, run, chunk, WatchedEvaluator(engine))
    tally = (await read_run(engine, run)).tally

    assert [item.position for item in await read_items(engine, run)] == list(range(ROWS))
    assert tally == await recount(engine, run)
    assert (tally.passed, tally.failed, tally.errored, tally.unresolved) == (5, 25, 0, 20)
    assert tally.criteria == (CriterionTally(15, 15), CriterionTally(10, 20))
    assert await read_chunks(engine, run) == []


@pytest.mark.parametrize("stored", [[0], [29], list(range(0, 30, 3)), list(range(7)), list(range(30))])
async def test_a_chunk_that_was_cut_short_stores_only_what_is_missing(engine: Engine, stored: list[int]) -> None:
    run, chunk = await chunked_run(engine)
    await store_some(engine, run, stored)
    before = {item.id for item in await read_items(engine, run)}
    evaluated: list[int] = []

    async def watch(position: int) -> None:
        evaluated.append(position)

    await run_chunk(engine, run, chunk, WatchedEvaluator(engine, watch))
    items = await read_items(engine, run)

    assert evaluated == [number for number in range(ROWS) if number not in stored]
    assert [item.position for item in items] == list(range(ROWS))
    assert before <= {item.id for item in items}
    assert (await read_run(engine, run)).tally == await recount(engine, run)


async def test_a_chunk_executed_twice_leaves_the_same_rows_and_counts(engine: Engine) -> None:
    run, chunk = await chunked_run(engine)
    await run_chunk(engine, run, chunk, WatchedEvaluator(engine))
    items, tally = await read_items(engine, run), (await read_run(engine, run)).tally
    await run_chunk(engine, run, chunk, WatchedEvaluator(engine))

    assert await read_items(engine, run) == items
    assert (await read_run(engine, run)).tally == tally


async def test_a_batch_is_counted_once_when_the_answer_to_its_commit_is_lost(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, chunk = await chunked_run(engine)
    store = engine.database.store
    lost: list[int] = []

    async def store_and_lose_answers(work: Callable[[WriteTransaction], Coroutine[Any, Any, Any]]) -> Any:
        stored = await store(work)
        if len(lost) < 3:
            lost.append(len(await read_items(engine, run)))
            raise OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))
        return stored

    monkeypatch.setattr(engine.database, "store", store_and_lose_answers)
    await run_chunk(replace(engine, patience=Patience(first_wait_s=0.0)), run, chunk, WatchedEvaluator(engine))

    assert lost == [7, 7, 7]
    assert [item.position for item in await read_items(engine, run)] == list(range(ROWS))
    assert (await read_run(engine, run)).tally == await recount(engine, run)


async def test_a_run_canceled_within_a_chunk_stores_nothing_more(engine: Engine) -> None:
    run, chunk = await chunked_run(engine)
    stored_at_cancel: list[int] = []

    async def cancel_at_20(position: int) -> None:
        if position == 20:
            # The runner notices the cancel at its next batch, and then cancels this very task.
            with anyio.CancelScope(shield=True):
                await cancel(engine, run)
                stored_at_cancel.append(len(await read_items(engine, run)))

    with pytest.raises(RunStoppedError):
        await run_chunk(engine, run, chunk, WatchedEvaluator(engine, cancel_at_20), limits=BatchLimits(items=2))
    stored = await read_run(engine, run)

    assert stored.status is RunStatus.CANCELED
    assert [len(await read_items(engine, run))] == stored_at_cancel
    assert stored.tally == await recount(engine, run)
    assert 0 < stored.tally.total < ROWS
    assert await read_chunks(engine, run) == [chunk]


async def test_a_large_item_ends_a_batch(engine: Engine) -> None:
    run, chunk = await chunked_run(engine)
    await run_chunk(engine, run, chunk, WatchedEvaluator(engine), limits=BatchLimits(size_bytes=1))

    assert (await read_run(engine, run)).tally.total == ROWS


class SlowEvaluator(WatchedEvaluator):
    """Waits for each item, for some longer than for others, as for an endpoint."""

    def __init__(self, engine: Engine, concurrency: int, on_item: Callable[[int], Awaitable[None]]) -> None:
        super().__init__(engine, on_item)
        self._items_at_once = concurrency

    @property
    def concurrency(self) -> int:
        return self._items_at_once


@pytest.mark.parametrize("concurrency", [2, 5, 64])
async def test_items_that_end_out_of_order_are_each_stored_once(engine: Engine, concurrency: int) -> None:
    run, chunk = await chunked_run(engine)
    await store_some(engine, run, [3, 4, 29])
    at_once = most = 0
    evaluated: list[int] = []

    async def wait(position: int) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        evaluated.append(position)
        await anyio.sleep(0.02 * (position % 3))
        at_once -= 1

    await run_chunk(engine, run, chunk, SlowEvaluator(engine, concurrency, wait))

    assert [item.position for item in await read_items(engine, run)] == list(range(ROWS))
    assert sorted(evaluated) == [number for number in range(ROWS) if number not in (3, 4, 29)]
    assert most == min(concurrency, ROWS - 3)
    assert (await read_run(engine, run)).tally == await recount(engine, run)
    assert await read_chunks(engine, run) == []


async def test_what_ended_is_stored_while_other_items_wait(engine: Engine) -> None:
    run, chunk = await chunked_run(engine)
    gate = anyio.Event()

    async def wait(position: int) -> None:
        if position in (0, 17):
            await gate.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_chunk, engine, run, chunk, SlowEvaluator(engine, 8, wait))
        with anyio.fail_after(10):
            while (await read_run(engine, run)).tally.total < ROWS - 2:  # noqa: ASYNC110 - it stands in the database
                await anyio.sleep(0.01)
        assert await read_chunks(engine, run) == [chunk], "the chunk is not done before its last item"
        gate.set()

    assert (await read_run(engine, run)).tally.total == ROWS
    assert await read_chunks(engine, run) == []


async def test_items_under_way_are_dropped_when_the_run_is_canceled(engine: Engine) -> None:
    run, chunk = await chunked_run(engine)
    stop_requested = anyio.Event()

    async def wait(position: int) -> None:
        if position == 20:
            await cancel(engine, run)
            stop_requested.set()
        if position >= 15:
            await anyio.sleep(60)

    evaluator = SlowEvaluator(engine, 16, wait)
    with anyio.fail_after(2), pytest.raises(RunStoppedError):
        await run_chunk(engine, run, chunk, evaluator, stop_requested)
    stored = await read_run(engine, run)

    assert stored.status is RunStatus.CANCELED
    assert stored.tally == await recount(engine, run)
    assert stored.tally.total <= 15
    assert await read_chunks(engine, run) == [chunk]


@pytest.mark.parametrize("concurrency", [1, 16])
async def test_a_runner_cut_short_at_any_moment_leaves_a_tally_that_fits_its_items(
    engine: Engine, concurrency: int
) -> None:
    run, chunk = await chunked_run(engine)

    async def wait(position: int) -> None:
        await anyio.sleep(0.001 * (position % 4))

    for moment in (0.0, 0.003, 0.01, 0.02, 0.04):
        with anyio.move_on_after(moment):
            await run_chunk(engine, run, chunk, SlowEvaluator(engine, concurrency, wait))
        # The commit of an interrupted writer may still be under way: it must not come between the two reads.
        before = await read_run(engine, run)
        recounted, counted = await recount(engine, run), await read_run(engine, run)
        while before != counted:
            before = counted
            recounted, counted = await recount(engine, run), await read_run(engine, run)
        assert counted.tally == recounted
    await run_chunk(engine, run, chunk, SlowEvaluator(engine, concurrency, wait))

    assert [item.position for item in await read_items(engine, run)] == list(range(ROWS))
    assert (await read_run(engine, run)).tally == await recount(engine, run)
