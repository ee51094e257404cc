"""Facts about the outbox: some batches wait; then tasks are held up, in their order, and only those that fit wake."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any

import pytest

from evalhaven.domain.output_items import OutputItem
from evalhaven.runs.executing.batches import Batch, BatchLimits, Outbox
from tests.unit.storage.stored import make_item

pytestmark = pytest.mark.anyio

TASKS = 200
BATCH = 8
WAITING = 4  # full batches, while another is stored


class Stepped:
    """A coroutine that counts how many times it was resumed."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self.steps = 0

    def __await__(self) -> Generator[Any]:
        inner = self._coroutine.__await__()
        while True:
            self.steps += 1
            try:
                waited_for = inner.send(None)
            except StopIteration:
                return
            yield waited_for


class Store:
    """Stores batches one after the other, each when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go = asyncio.Semaphore(0)

    async def store(self, batch: Batch) -> bool:
        """Store a batch."""
        await self.may_go.acquire()
        self.batches.append([item.position for item in batch.items])
        return True


async def put(outbox: Outbox, item: OutputItem) -> None:
    """Add an item as the tasks of a run do."""
    if not outbox.add(item):
        await outbox.add_in_turn(item)


async def settled() -> None:
    """Let every task go on until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_of_many_tasks_that_wait_for_room_each_is_woken_once() -> None:
    store = Store()
    outbox = Outbox(store.store, BatchLimits(items=BATCH))
    storing = asyncio.create_task(outbox.store_batches())
    puts = [Stepped(put(outbox, make_item(position))) for position in range(TASKS)]

    async def drive(stepped: Stepped) -> None:
        await stepped

    tasks = [asyncio.create_task(drive(each)) for each in puts]
    for _ in range(TASKS // BATCH):
        store.may_go.release()
        await settled()
    await asyncio.gather(*tasks)
    await settled()
    assert max(each.steps for each in puts) <= 2
    assert [position for batch in store.batches for position in batch] == list(range(TASKS))
    assert {len(batch) for batch in store.batches} == {BATCH}
    storing.cancel()


async def test_item_of_a_canceled_task_leaves_the_line() -> None:
    store = Store()
    outbox = Outbox(store.store, BatchLimits(items=1))
    storing = asyncio.create_task(outbox.store_batches())
    assert outbox.add(make_item(0))
    await settled()
    assert all(outbox.add(make_item(number)) for number in range(1, WAITING + 1))
    dropped = asyncio.create_task(put(outbox, make_item(WAITING + 1)))
    kept = asyncio.create_task(put(outbox, make_item(WAITING + 2)))
    await settled()
    dropped.cancel()
    with suppress(asyncio.CancelledError):
        await dropped
    for _ in range(WAITING + 3):
        store.may_go.release()
        await settled()
    await kept
    assert store.batches == [[0], [1], [2], [3], [4], [6]]
    storing.cancel()


async def test_four_full_batches_wait_while_one_is_stored() -> None:
    store = Store()
    outbox = Outbox(store.store, BatchLimits(items=BATCH))
    storing = asyncio.create_task(outbox.store_batches())
    added = 0
    while outbox.add(make_item(added)):
        added += 1
        if added == BATCH:
            await settled()  # the first one is being stored
    assert added == (1 + WAITING) * BATCH
    storing.cancel()


async def test_large_batches_that_wait_are_bounded_by_their_bytes() -> None:
    store = Store()
    size_bytes = 3 * len(make_item(0).item_text)
    outbox = Outbox(store.store, BatchLimits(size_bytes=size_bytes))
    storing = asyncio.create_task(outbox.store_batches())
    assert outbox.add(make_item(0))
    added = 1
    while outbox.add(make_item(added)):
        added += 1
        await settled()
    assert added < WAITING * 3
    storing.cancel()


async def test_what_is_stored_now_comes_after_the_batches_before_it() -> None:
    store = Store()
    outbox = Outbox(store.store, BatchLimits(items=BATCH))
    storing = asyncio.create_task(outbox.store_batches())
    assert all(outbox.add(make_item(number)) for number in range(2 * BATCH + 1))
    stored = asyncio.create_task(outbox.store_now(7))
    for _ in range(2):
        store.may_go.release()
        await settled()
    assert not stored.done()
    store.may_go.release()
    await stored
    assert [len(batch) for batch in store.batches] == [BATCH, BATCH, 1]
    storing.cancel()
