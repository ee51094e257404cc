"""Facts about the limit of a run on one worker: places are lent for a time, and none is taken once that is over."""

import anyio
import pytest

from evalhaven.runs.executing.shared.lending import RunLimit


class Now:
    def __init__(self) -> None:
        self.value = 100.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def limit(now: Now) -> RunLimit:
    return RunLimit(1, 10, now)


def lend(limit: RunLimit, slots: int, until: float) -> None:
    limit.shared.lend(slots, until, slots / 10)


async def test_no_place_is_taken_before_any_was_lent_nor_after_the_time_is_over(limit: RunLimit, now: Now) -> None:
    with pytest.raises(anyio.WouldBlock):
        limit.acquire_on_behalf_of_nowait("a")
    lend(limit, 2, 101.5)
    limit.acquire_on_behalf_of_nowait("a")
    now.value = 101.5  # as after the process stood still: no timer has run
    with pytest.raises(anyio.WouldBlock):
        limit.acquire_on_behalf_of_nowait("b")
    assert limit.shared.in_use == 1


async def test_a_place_given_back_too_late_is_nobodys(limit: RunLimit, now: Now) -> None:
    lend(limit, 1, 101.5)
    limit.acquire_on_behalf_of_nowait("a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(limit.acquire_on_behalf_of, "b")
        await anyio.wait_all_tasks_blocked()
        now.value = 102.0
        limit.release_on_behalf_of("a")
        await anyio.wait_all_tasks_blocked()
        assert (limit.shared.in_use, limit.shared.wanted) == (0, 1)
        lend(limit, 1, 103.5)
    assert limit.shared.in_use == 1


async def test_a_place_that_was_granted_before_the_process_stood_still_is_not_taken_after_it(
    limit: RunLimit, now: Now
) -> None:
    lend(limit, 1, 101.5)
    limit.acquire_on_behalf_of_nowait("a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(limit.acquire_on_behalf_of, "b")
        await anyio.wait_all_tasks_blocked()
        limit.release_on_behalf_of("a")
        now.value = 102.0  # the other task has not run yet
        await anyio.wait_all_tasks_blocked()
        assert limit.shared.in_use == 0
        lend(limit, 1, 103.5)
    assert limit.shared.in_use == 1
