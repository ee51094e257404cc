"""Facts about limits that workers share: together they never have more slots than there are, and none lie idle."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.executing.shared.lending import fair_part
from evalhaven.sampling.calls.limiter import AdaptiveLimiter
from evalhaven.sampling.calls.limits import Limits
from evalhaven.storage.database import Database
from evalhaven.storage.queue.limits import LimitShare, hold_shares, lock_shares


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
    loop = asyncio.get_running_loop()
    calls = [asyncio.ensure_future(limiter.acquire()) for _ in range(5)]
    await asyncio.sleep(0)
    assert (limiter.in_flight, limiter.wanted) == (0, 5)

    limiter.lend(2, loop.time() + 60, 0.2)
    await asyncio.sleep(0)
    assert [call.done() for call in calls] == [True, True, False, False, False]
    limiter.lend(4, loop.time() + 60, 0.4)
    await asyncio.sleep(0)
    assert limiter.in_flight == 4
    # Calls under way stay, but no other takes their places.
    limiter.lend(1, loop.time() + 60, 0.1)
    for _ in range(3):
        limiter.release()
    await asyncio.sleep(0)
    assert not calls[4].done()
    limiter.release()
    await asyncio.sleep(0)
    assert calls[4].done()


async def test_slots_that_were_not_lent_again_are_gone(limiter: AdaptiveLimiter) -> None:
    limiter.lend(10, asyncio.get_running_loop().time(), 1.0)
    call = asyncio.ensure_future(limiter.acquire())
    await asyncio.sleep(0)
    assert not call.done()
    call.cancel()


async def test_parts_are_held_by_name_and_worker_until_their_time_is_over(postgresql_database: Database) -> None:
    scope = EngineScope()
    async with postgresql_database.write() as tx:
        assert await lock_shares(tx, scope, ["a"]) == []
        await hold_shares(tx, scope, [LimitShare("a", 1, 5, 9), LimitShare("b", 1, 1, 1)], 60)
        await hold_shares(tx, scope, [LimitShare("a", 2, 3, 3)], 60)
        await hold_shares(tx, scope, [LimitShare("a", 1, 4, 8)], 60)
    async with postgresql_database.write() as tx:
        held = await lock_shares(tx, scope, ["a"])
        assert sorted(held, key=lambda share: share.worker_id) == [LimitShare("a", 1, 4, 8), LimitShare("a", 2, 3, 3)]
        past = "UPDATE evalhaven_queue.limit_shares SET held_until = now() - interval '1 ms' WHERE worker_id = 2"
        await tx.execute(text(past))
        assert await lock_shares(tx, scope, ["a"]) == [LimitShare("a", 1, 4, 8)]
