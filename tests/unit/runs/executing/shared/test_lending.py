"""Facts about limits that workers share: together they never have more slots than there are, and none lie idle."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.spending import NO_SPENDING
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.shared.guards import SharedGuard
from evalhaven.runs.executing.shared.lending import CallingRun, LimitLender
from evalhaven.runs.executing.shared.limits import RunLimit, fair_part
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.calls.limiter import AdaptiveLimiter
from evalhaven.sampling.calls.limits import Limits
from evalhaven.storage.database import Database
from evalhaven.storage.queue.limits import LimitShare, hold_shares, list_shares
from tests.unit.storage.stored import make_eval, make_run


@given(most=st.integers(1, 500), wishes=st.lists(st.integers(0, 600), min_size=1, max_size=8))
def test_parts_come_to_all_slots_but_for_what_cannot_be_divided(most: int, wishes: list[int]) -> None:
    parts = [fair_part(most, wish, wishes[:i] + wishes[i + 1 :]) for i, wish in enumerate(wishes)]

    # The rest is for who comes first: what others hold is taken off.
    assert sum(parts) < most + len(wishes)
    if sum(wishes) >= most:
        assert sum(parts) >= most
        assert all(part <= wish for part, wish in zip(parts, wishes, strict=True))
    else:
        assert all(part >= wish for part, wish in zip(parts, wishes, strict=True))


@pytest.mark.parametrize(
    ("most", "wishes", "parts"),
    [
        (300, [500, 500, 500, 500], [75, 75, 75, 75]),
        (300, [10, 500], [10, 290]),
        (300, [100, 10, 400], [100, 10, 190]),
        (300, [0, 0], [150, 150]),
        (300, [7], [300]),
        (1, [5, 5], [1, 1]),
    ],
)
def test_who_wants_little_gets_it_and_the_others_share_the_rest(most: int, wishes: list[int], parts: list[int]) -> None:
    assert [fair_part(most, wish, wishes[:i] + wishes[i + 1 :]) for i, wish in enumerate(wishes)] == parts


@pytest.fixture
async def limiter() -> AsyncGenerator[AdaptiveLimiter]:
    wanted: list[None] = []
    yield AdaptiveLimiter(Limits(10, 10), asyncio.get_running_loop(), on_want=lambda: wanted.append(None))
    assert wanted, "somebody was told that slots are wanted"


async def test_no_call_is_made_beyond_the_slots_that_were_lent(limiter: AdaptiveLimiter) -> None:
    calls = [asyncio.ensure_future(limiter.acquire()) for _ in range(5)]
    await asyncio.sleep(0)
    assert (limiter.in_flight, limiter.wanted) == (0, 5)

    limiter.lend(2, time.monotonic() + 60, 0.2)
    await asyncio.sleep(0)
    assert [call.done() for call in calls] == [True, True, False, False, False]
    limiter.lend(4, time.monotonic() + 60, 0.4)
    await asyncio.sleep(0)
    assert limiter.in_flight == 4
    # Calls under way stay, but no other takes their places.
    limiter.lend(1, time.monotonic() + 60, 0.1)
    for _ in range(3):
        limiter.release()
    await asyncio.sleep(0)
    assert not calls[4].done()
    limiter.release()
    await asyncio.sleep(0)
    assert calls[4].done()


async def test_slots_that_were_not_lent_again_are_gone(limiter: AdaptiveLimiter) -> None:
    limiter.lend(10, time.monotonic(), 1.0)
    call = asyncio.ensure_future(limiter.acquire())
    await asyncio.sleep(0)
    assert not call.done()
    call.cancel()


async def test_parts_are_held_by_name_and_worker_until_their_time_is_over(postgresql_database: Database) -> None:
    scope = EngineScope()
    async with postgresql_database.write() as tx:
        assert await list_shares(tx, scope, ["a"]) == []
        await hold_shares(tx, scope, [LimitShare("a", 1, 5, 9), LimitShare("b", 1, 1, 1)], 60)
        await hold_shares(tx, scope, [LimitShare("a", 2, 3, 3)], 60)
        await hold_shares(tx, scope, [LimitShare("a", 1, 4, 8)], 60)
    async with postgresql_database.write() as tx:
        held = await list_shares(tx, scope, ["a"])
        assert sorted(held, key=lambda share: share.worker_id) == [LimitShare("a", 1, 4, 8), LimitShare("a", 2, 3, 3)]
        past = "UPDATE evalhaven_queue.limit_shares SET held_until = now() - interval '1 ms' WHERE worker_id = 2"
        await tx.execute(text(past))
        assert await list_shares(tx, scope, ["a"]) == [LimitShare("a", 1, 4, 8)]


class Worker:
    """What one worker holds of a limit of a run."""

    def __init__(self, database: Database, number: int, caller: ModelCaller, most: int) -> None:
        self.limit = RunLimit(7, most)
        self._number = number
        guard = SharedGuard(make_run(make_eval()), RunGuard(None, NO_SPENDING, anyio.Event()))
        calling = CallingRun(guard, self.limit)
        self._lender = LimitLender(database, caller, Fence(60), lambda: number, lambda: [calling])
        self.calls: list[asyncio.Task[None]] = []

    async def exchange(self) -> None:
        await self._lender.exchange(self._number)
        await asyncio.sleep(0)

    async def want(self, count: int) -> None:
        self.calls += [asyncio.create_task(self.limit.slots.acquire()) for _ in range(count)]
        await asyncio.sleep(0)

    async def finish(self, count: int) -> None:
        for _ in range(count):
            self.limit.slots.release()
        await asyncio.sleep(0)

    async def close(self) -> None:
        for call in self.calls:
            call.cancel()
        await asyncio.gather(*self.calls, return_exceptions=True)


@pytest.fixture
async def two_workers(postgresql_database: Database) -> AsyncGenerator[list[Worker]]:
    async with ModelCaller() as caller:
        workers = [Worker(postgresql_database, number, caller, most=10) for number in (1, 2)]
        yield workers
        for worker in workers:
            await worker.close()


async def test_who_comes_late_gets_its_part_as_calls_of_the_other_end(two_workers: list[Worker]) -> None:
    first, second = two_workers
    await first.want(30)
    await first.exchange()
    assert first.limit.slots.in_use == 10
    await second.want(30)
    for _ in range(2):
        for worker in (second, first):
            await worker.exchange()
    assert (first.limit.slots.in_use, second.limit.slots.in_use) == (10, 0)

    for _ in range(4):
        await first.finish(min(4, first.limit.slots.in_use))
        for worker in (first, second):
            await worker.exchange()
        assert first.limit.slots.in_use + second.limit.slots.in_use <= 10
    assert (first.limit.slots.in_use, second.limit.slots.in_use) == (5, 5)


async def test_what_is_given_up_is_not_used_while_that_is_committed(
    two_workers: list[Worker], postgresql_database: Database
) -> None:
    first, second = two_workers
    await first.exchange()
    assert first.limit.slots.total == 10
    await second.want(10)
    await second.exchange()
    async with postgresql_database.write() as tx:
        # What the first is about to write waits for this transaction.
        await tx.execute(text("UPDATE limit_shares SET wanted = 0 WHERE worker_id = 1"))
        giving_up = asyncio.create_task(first.exchange())
        while first.limit.slots.total == 10:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        await first.want(10)
        assert first.limit.slots.in_use == 0
    await giving_up
    await second.exchange()
    assert first.limit.slots.in_use + second.limit.slots.in_use <= 10


async def test_a_worker_that_stood_still_uses_nothing_of_what_it_had(two_workers: list[Worker]) -> None:
    first, _second = two_workers
    await first.exchange()
    assert first.limit.slots.is_open
    first.limit.slots.lend(10, time.monotonic())
    await first.want(1)
    assert (first.limit.slots.is_open, first.limit.slots.in_use) == (False, 0)


class OneModel(ModelCaller):
    """A caller that has a limiter before any call."""

    def __init__(self) -> None:
        super().__init__()
        self.limiter = AdaptiveLimiter(Limits(10, 10), asyncio.get_running_loop(), on_want=lambda: None)

    @property
    def limiters(self) -> Mapping[tuple[str, str], tuple[AdaptiveLimiter, int]]:
        return {("lab", "quick"): (self.limiter, 10)}


async def test_a_pause_that_one_worker_is_asked_for_is_kept_by_all_and_not_prolonged(
    postgresql_database: Database,
) -> None:
    async with OneModel() as asked, OneModel() as other:
        lenders = [
            LimitLender(postgresql_database, caller, Fence(60), lambda: 1, list[CallingRun])
            for caller in (asked, other)
        ]
        asked.limiter.note_refused(0, 600.0)
        call = asyncio.create_task(other.limiter.acquire())
        await asyncio.sleep(0)
        for _ in range(3):
            for number, lender in enumerate(lenders, 1):
                await lender.exchange(number)
        assert other.limiter.is_paused_for(500)
        assert other.limiter.asked_pause_s == 0.0, "what it was told is not told on"
        assert not call.done()
        call.cancel()
        assert asked.limiter.state.paused_s == pytest.approx(600.0)
