"""Facts about places for a run's calls: no more than there are, in the order of arrival, and none is lost."""

import asyncio

from evalhaven.sampling.calls.slots import Slots


async def waiters(slots: Slots, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(slots.acquire()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_places_are_taken_in_the_order_of_arrival() -> None:
    slots = Slots(2)
    tasks = await waiters(slots, 4)
    assert [task.done() for task in tasks] == [True, True, False, False]
    slots.release()
    late = await waiters(slots, 1)
    assert [task.done() for task in (*tasks, *late)] == [True, True, True, False, False]
    assert (slots.in_use, slots.waiting) == (2, 2)
    for task in (tasks[3], *late):
        task.cancel()


async def test_no_place_is_lost_by_who_is_canceled_while_waiting_or_just_after() -> None:
    slots = Slots(1)
    _first, second, third, fourth = await waiters(slots, 4)
    second.cancel()
    await asyncio.sleep(0)
    slots.release()
    third.cancel()  # at the very moment at which it was given its place
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert fourth.done()
    assert (third.cancelled(), slots.in_use, slots.waiting) == (True, 1, 0)


async def test_places_that_are_lent_end_at_their_time_and_those_in_use_stay() -> None:
    now = asyncio.get_running_loop().time
    slots = Slots(0)
    tasks = await waiters(slots, 3)
    assert not any(task.done() for task in tasks)
    slots.lend(2, now() + 60)
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, False]
    slots.lend(1, now())
    assert not slots.is_open
    slots.release()
    slots.release()
    await asyncio.sleep(0)
    assert not tasks[2].done()
    slots.lend(1, now() + 60)
    await tasks[2]
