"""Facts about what one of several processes may spend: calls begin while something is left, and wait otherwise."""

import asyncio

from evalhaven.sampling.calls.purse import Purse


async def test_calls_wait_until_it_is_filled_and_say_so() -> None:
    asked: list[None] = []
    purse = Purse(frozenset({"tokens"}), lambda: asked.append(None))
    calls = [asyncio.create_task(purse.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert (len(asked), purse.waiting, purse.is_open) == (2, 2, False)

    purse.fill("tokens", 10, asyncio.get_running_loop().time() + 60)
    await asyncio.gather(*calls)
    assert (purse.waiting, purse.is_open, purse.was_used) == (0, True, False)
    purse.spend("cost", 5.0)  # which has no limit
    purse.spend("tokens", 9)
    assert purse.is_open
    purse.spend("tokens", 4)
    assert (purse.is_open, purse.was_used) == (False, True)


async def test_what_is_lent_ends_at_its_time() -> None:
    purse = Purse(frozenset({"tokens"}), lambda: None)
    purse.fill("tokens", 10, asyncio.get_running_loop().time())
    assert not purse.is_open


async def test_all_limits_have_to_leave_something() -> None:
    purse = Purse(frozenset({"tokens", "cost"}), lambda: None)
    until = asyncio.get_running_loop().time() + 60
    purse.fill("tokens", 10, until)
    assert not purse.is_open
    purse.fill("cost", 0.5, until)
    assert purse.is_open
    purse.spend("cost", 0.5)
    assert not purse.is_open
