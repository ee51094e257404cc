"""Facts about outages that workers tell each other of: all wait, one tries, and an answer ends it for all."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import text

from evalhaven.domain.samples import ItemError
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.shared.outages import exchange_outages
from evalhaven.sampling.calls.outage import EndpointDownError, Reachability, Waiter
from tests.databases import ON_POSTGRESQL_ONLY

pytestmark = ON_POSTGRESQL_ONLY
REFUSED = ItemError("upstream_unreachable", "no connection", "sampling", retryable=True)


class Time(asyncio.SelectorEventLoop):
    """A loop of which only the time is asked; it passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def __del__(self) -> None:
        pass  # it was never opened


class Worker:
    """What one worker knows of an endpoint."""

    def __init__(self, engine: Engine, retry_for_s: float = 600.0) -> None:
        self._engine = engine
        self.changes = 0
        self.time = Time()
        self.lab = Reachability("lab", retry_for_s, self.time, on_change=self._note_change)
        self._tasks: list[asyncio.Task[bool]] = []

    def _note_change(self) -> None:
        self.changes += 1

    async def exchange(self) -> None:
        async with self._engine.database.write() as tx:
            effects = await exchange_outages(tx, {"lab": self.lab})
        for effect in effects:
            effect()
        await asyncio.sleep(0)

    def lose(self) -> None:
        """Notice an outage: nothing but failures for a second."""
        for _ in range(5):
            self.lab.note_failure(REFUSED, is_unreached=True)
        self.time.now += 1.0
        self.lab.note_failure(REFUSED, is_unreached=True)
        assert self.lab.is_down

    def wait(self) -> asyncio.Task[bool]:
        """Let a call wait for its turn."""
        now = self.time.now
        waiting = asyncio.create_task(self.lab.wait_for_turn(Waiter(now, now, was_answered=True)))
        self._tasks.append(waiting)
        return waiting

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
def make_worker(engine: Engine) -> Callable[[], Worker]:
    return lambda: Worker(engine)


async def pass_time(engine: Engine, seconds: float) -> None:
    """Let the time pass that the database knows of."""
    earlier = """UPDATE outages SET since = since - passed, next_probe_at = next_probe_at - passed,
        held_until = held_until - passed FROM (SELECT make_interval(0, 0, 0, 0, 0, 0, :seconds) AS passed) AS made"""
    async with engine.database.write() as tx:
        await tx.execute(text(earlier), {"seconds": seconds})


async def test_an_outage_of_one_worker_is_one_of_all_until_one_has_an_answer(
    engine: Engine, make_worker: Callable[[], Worker]
) -> None:
    first, second, idle = make_worker(), make_worker(), make_worker()
    first.lose()
    assert first.changes == 1, "it is told at once"
    for worker in (first, second, idle):
        await worker.exchange()
    assert second.lab.is_down
    assert second.lab.told is not None
    assert second.lab.told.lasts_s > 0.9
    assert second.lab.told.error == REFUSED

    # Nobody tries before it is time, then one for all; those without a call that waits leave it to others.
    calls = {worker: worker.wait() for worker in (first, second)}
    await asyncio.sleep(0)
    for _ in range(3):
        for worker in (idle, second, first):
            await worker.exchange()
    assert not any(call.done() for call in calls.values())
    await pass_time(engine, 0.6)
    for worker in (idle, second, first):
        await worker.exchange()
    assert {worker: call.done() for worker, call in calls.items()} == {first: False, second: True}
    assert calls[second].result() is True

    second.lab.note_reply()
    for worker in (second, first, idle):
        await worker.exchange()
    assert not any(worker.lab.is_down for worker in (first, second, idle))
    assert await calls[first] is False, "it goes on, and need not find out"
    async with engine.database.read() as tx:
        assert (await tx.execute(text("SELECT endpoint FROM outages"))).all() == []


async def test_the_endpoint_is_tried_ever_less_often(engine: Engine, make_worker: Callable[[], Worker]) -> None:
    workers = [make_worker() for _ in range(3)]
    workers[0].lose()
    for worker in workers:
        await worker.exchange()
    tried = 0
    calls = [worker.wait() for worker in workers]
    await asyncio.sleep(0)
    # Half a minute, looked at twice a second by each.
    for _ in range(60):
        await pass_time(engine, 0.5)
        for number, worker in enumerate(workers):
            await worker.exchange()
            if calls[number].done():
                tried += 1
                worker.lab.note_failure(REFUSED, is_unreached=True)
                calls[number] = worker.wait()
                await asyncio.sleep(0)
    assert 6 <= tried <= 9
    for worker in workers:
        await worker.close()


async def test_who_has_just_heard_of_an_endpoint_believes_no_other(make_worker: Callable[[], Worker]) -> None:
    lost, well = make_worker(), make_worker()
    lost.lose()
    await lost.exchange()
    well.lab.note_reply()
    await well.exchange()
    assert not well.lab.is_down
    await lost.exchange()
    assert lost.lab.is_down, "an answer elsewhere is no answer here"

    # Silent for a while, it believes the other, but not again once that has turned out to be wrong.
    well.time.now += 0.55
    await well.exchange()
    assert well.lab.is_down
    well.lab.note_reply()
    await well.exchange()
    await lost.exchange()
    assert not lost.lab.is_down
    lost.lose()
    await lost.exchange()
    well.time.now += 0.55
    await well.exchange()
    assert not well.lab.is_down


async def test_an_outage_that_nobody_holds_any_more_says_nothing(
    engine: Engine, make_worker: Callable[[], Worker]
) -> None:
    dead, other = make_worker(), make_worker()
    dead.lose()
    await dead.exchange()
    await pass_time(engine, 500)
    await other.exchange()
    assert not other.lab.is_down

    other.lose()
    await other.exchange()
    late = make_worker()
    await late.exchange()
    assert late.lab.told is not None
    assert late.lab.told.lasts_s < 60, "it is not the outage of then"


async def test_calls_are_given_up_once_an_outage_has_lasted_too_long_wherever_it_was_noticed(engine: Engine) -> None:
    first, second = Worker(engine), Worker(engine, retry_for_s=30.0)
    first.lose()
    await first.exchange()
    await pass_time(engine, 4)
    await second.exchange()
    assert second.lab.is_down
    async with engine.database.write() as tx:
        await tx.execute(text("UPDATE outages SET since = since - interval '40 s'"))
    late = Worker(engine, retry_for_s=30.0)
    await late.exchange()
    with pytest.raises(EndpointDownError):
        await late.lab.wait_for_turn(Waiter(late.time.now - 20, late.time.now - 20, was_answered=True))
