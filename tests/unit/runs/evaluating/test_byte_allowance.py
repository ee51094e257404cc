"""Facts about how many bytes of large requests are held at once."""

import random

import anyio
import pytest

from evalhaven.runs.evaluating.byte_allowance import ByteAllowance


async def test_no_more_is_held_than_there_is_and_everybody_comes_to_his_turn() -> None:
    allowance = ByteAllowance(100)
    chance = random.Random(3)
    held, most, done = 0, 0, 0

    async def hold(count: int, pause_s: float) -> None:
        nonlocal held, most, done
        async with allowance.hold(count):
            held += min(count, 100)
            most = max(most, held)
            await anyio.sleep(pause_s)
            held -= min(count, 100)
        done += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(hold, chance.choice([1, 10, 40, 100, 500]), chance.uniform(0, 0.001))

    assert (held, done) == (0, 200)
    assert 40 < most <= 100


@pytest.mark.parametrize("seed", range(5))
async def test_who_is_canceled_while_waiting_or_holding_takes_nothing_along(seed: int) -> None:
    allowance = ByteAllowance(10)
    chance = random.Random(seed)

    async def hold_for_a_while() -> None:
        with anyio.move_on_after(chance.uniform(0, 0.003)):
            async with allowance.hold(chance.randint(1, 10)):
                await anyio.sleep(chance.uniform(0, 0.003))

    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(hold_for_a_while)
    with anyio.fail_after(1):
        async with allowance.hold(10):
            pass
