"""Facts about the outbox: full batches hold tasks up, in their order, and wake only those that fit."""

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
    assert outbox.add(make_item(1))
    dropped = asyncio.create_task(put(outbox, make_item(2)))
    kept = asyncio.create_task(put(outbox, make_item(3)))
    await settled()
    dropped.cancel()
    with suppress(asyncio.CancelledError):
        await dropped
    for _ in range(4):
        store.may_go.release()
        await settled()
    await kept
    assert store.batches == [[0], [1], [3]]
    storing.cancel()
