"""Facts about the limiter: never above the limit, first come first served, nothing lost, pauses kept by all."""

import asyncio
import random
from bisect import bisect_left
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from evalhaven.sampling.calls.limiter import AdaptiveLimiter
from evalhaven.sampling.calls.limits import Limits
from tests.sizes import SEED
from tests.unit.domain.still_clock import StillClock
from tests.virtual_time import VIRTUAL_TIME

MakeLimiter = Callable[..., AdaptiveLimiter]


@pytest.fixture(scope="module")
def anyio_backend() -> object:
    return VIRTUAL_TIME


@pytest.fixture
async def make() -> MakeLimiter:
    def make_limiter(
        start: int = 10, maximum: int = 1000, requests: int | None = None, tokens: int | None = None
    ) -> AdaptiveLimiter:
        limits = Limits(maximum, start, requests, tokens)
        return AdaptiveLimiter(limits, asyncio.get_running_loop(), StillClock(now=5000.0))

    return make_limiter


class Upstream:
    """Calls through a limiter, each taking so long; a function chooses what the endpoint answers."""

    def __init__(self, limiter: AdaptiveLimiter, latency_s: float = 0.05, tokens: int = 0) -> None:
        self.limiter = limiter
        self.latency_s = latency_s
        self.tokens = tokens
        self.used: int | None = None
        self.retry_after_s: float | None = 1.0
        self.in_flight = 0
        self.most_in_flight = 0
        self.started: list[float] = []
        self.done: list[float] = []
        self.refusals = 0
        self.refuses: Callable[[], bool] = lambda: False

    async def call(self) -> None:
        while not await self.attempt():
            asked_s = self.retry_after_s
            if asked_s is None:
                await anyio.sleep(0.5)
            elif not self.limiter.is_paused_for(asked_s):
                await anyio.sleep(asked_s)

    async def attempt(self) -> bool:
        permit = await self.limiter.acquire(self.tokens)
        try:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.started.append(anyio.current_time())
            is_refused = self.refuses()
            await anyio.sleep(self.latency_s)
            if is_refused:
                self.refusals += 1
                self.limiter.note_refused(permit, self.retry_after_s)
                return False
            self.limiter.note_good(permit)
            if self.used is not None:
                self.limiter.note_tokens(self.tokens, self.used)
            self.done.append(anyio.current_time())
            return True
        finally:
            self.in_flight -= 1
            self.limiter.release()

    async def call_forever(self, tasks: int) -> None:
        async def call_again_and_again() -> None:
            while True:
                await self.call()

        async with anyio.create_task_group() as group:
            for _ in range(tasks):
                group.start_soon(call_again_and_again)

    async def call_for(self, seconds: float, tasks: int) -> None:
        with anyio.move_on_after(seconds):
            await self.call_forever(tasks)

    def per_second(self, since: float) -> float:
        """Return how many calls a second were answered from a given time on."""
        return (len(self.done) - bisect_left(self.done, since)) / (anyio.current_time() - since)


async def settle() -> None:
    """Let all tasks go as far as they can without time passing."""
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


async def test_no_more_calls_are_under_way_than_the_limit(make: MakeLimiter) -> None:
    upstream = Upstream(make(start=7, maximum=7))
    await upstream.call_for(1, tasks=50)

    assert upstream.most_in_flight == 7


async def test_with_fifty_milliseconds_a_thousand_are_under_way_within_a_second(make: MakeLimiter) -> None:
    upstream = Upstream(make(start=20, maximum=1000))
    started_at = anyio.current_time()
    await upstream.call_for(1, tasks=2000)

    assert upstream.most_in_flight == 1000
    assert upstream.started.index(max(upstream.started)) > 0
    # A limit of 1,000 from the start would have answered 20,000 in this second.
    assert len(upstream.done) >= 12_000
    assert next(at for at, count in zip(upstream.done, range(10_000), strict=False) if count >= 3000) - started_at < 0.5


async def test_who_comes_first_is_served_first(make: MakeLimiter) -> None:
    limiter = make(start=2, maximum=2)
    served: list[int] = []

    async def call(number: int) -> None:
        await limiter.acquire()
        served.append(number)
        await anyio.sleep(0.01 * (1 + number % 3))
        limiter.release()

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(call, number)

    assert served == list(range(30))


async def test_nobody_overtakes_those_who_wait(make: MakeLimiter) -> None:
    limiter = make(start=1, maximum=1)
    served: list[str] = []

    async def wait() -> None:
        await limiter.acquire()
        served.append("waited")
        limiter.release()

    await limiter.acquire()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await settle()
        limiter.release()
        # The slot is granted, but the task that has it has not run yet.
        await limiter.acquire()
        served.append("came late")
        limiter.release()

    assert served == ["waited", "came late"]


async def test_a_burst_of_429s_is_one_episode_and_all_wait_as_long_as_asked(make: MakeLimiter) -> None:
    limiter = make(start=100, maximum=100)
    upstream = Upstream(limiter)
    upstream.refuses = lambda: len(upstream.started) <= 100
    upstream.retry_after_s = 3.0
    began_at = anyio.current_time()
    await upstream.call_for(2, tasks=150)

    assert len(upstream.started) == 100
    state = limiter.state
    assert (state.concurrency, state.episodes, state.in_flight, state.waiting) == (80, 1, 0, 0)
    assert state.paused_until == pytest.approx(5000 + 1.05)
    assert state.paused_s == pytest.approx(3)

    await upstream.call_for(2, tasks=150)
    later = upstream.started[100:]
    assert min(later) == pytest.approx(began_at + 3.05)
    assert limiter.state.paused_until is None


async def test_the_longest_pause_that_was_asked_for_counts(make: MakeLimiter) -> None:
    limiter = make()
    permits = [await limiter.acquire() for _ in range(3)]
    for permit, asked_s in zip(permits, (1.0, 5.0, 2.0), strict=True):
        limiter.note_refused(permit, asked_s)
        limiter.release()

    assert limiter.state.paused_s == pytest.approx(5)
    assert limiter.state.paused_until == pytest.approx(5005)


async def test_without_retry_after_nobody_waits_while_others_are_answered(make: MakeLimiter) -> None:
    upstream = Upstream(make(start=100))
    upstream.refuses = lambda: len(upstream.started) % 3 == 0
    upstream.retry_after_s = None
    await upstream.call_for(30, tasks=20)

    assert upstream.refusals > 100
    assert upstream.limiter.state.paused_s == 0


async def test_without_retry_after_pauses_double_while_nothing_else_comes(make: MakeLimiter) -> None:
    upstream = Upstream(make(start=1, maximum=1), latency_s=0.01)
    upstream.refuses = lambda: True
    upstream.retry_after_s = None
    await upstream.call_for(180, tasks=5)
    gaps = [later - earlier for earlier, later in zip(upstream.started, upstream.started[1:], strict=False)]
    pauses = [gap for gap in gaps if gap > 0.5]

    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(1, abs=0.1)
    assert pauses[-1] == pytest.approx(20, abs=0.1)
    assert len(pauses) <= 15


async def test_a_429_that_is_usual_keeps_nobody_else_waiting(make: MakeLimiter) -> None:
    chance = random.Random(SEED)
    limiter = make(start=100, maximum=100)
    upstream = Upstream(limiter)
    upstream.refuses = lambda: chance.random() < 0.1
    await upstream.call_for(20, tasks=100)
    paused_s = limiter.state.paused_s
    await upstream.call_for(20, tasks=100)

    assert upstream.refusals > 1000
    assert paused_s <= 10
    assert limiter.state.paused_s - paused_s <= 2


@pytest.mark.parametrize("retry_after_s", [1.0, None])
async def test_an_endpoint_with_few_places_is_kept_busy(make: MakeLimiter, retry_after_s: float | None) -> None:
    upstream = Upstream(make(start=20, maximum=1000))
    upstream.refuses = lambda: upstream.in_flight > 50
    upstream.retry_after_s = retry_after_s
    began_at = anyio.current_time()
    await upstream.call_for(60, tasks=150)

    # Fifty places of 50 ms make a thousand calls a second.
    assert upstream.per_second(since=began_at + 20) >= 750
    assert upstream.refusals <= len(upstream.done) / 50


async def test_an_endpoint_that_counts_requests_is_kept_busy(make: MakeLimiter) -> None:
    limiter = make(start=20, maximum=1000)
    upstream = Upstream(limiter)
    level, at = 600.0, anyio.current_time()

    def is_refused() -> bool:
        nonlocal level, at
        now = anyio.current_time()
        level, at = min(600.0, level + (now - at) * 10), now
        if level < 1:
            return True
        level -= 1
        return False

    upstream.refuses = is_refused
    began_at = anyio.current_time()
    await upstream.call_for(300, tasks=300)

    assert upstream.per_second(since=began_at + 60) >= 9
    assert upstream.refusals <= len(upstream.done)


async def test_a_canceled_waiter_leaves_no_trace(make: MakeLimiter) -> None:
    limiter = make(start=1, maximum=1)
    await limiter.acquire()
    with anyio.move_on_after(1):
        await limiter.acquire()

    assert limiter.state.waiting == 0
    limiter.release()
    assert limiter.state.in_flight == 0
    await limiter.acquire()


async def test_who_is_canceled_just_as_the_slot_is_granted_passes_it_on(make: MakeLimiter) -> None:
    limiter = make(start=1, maximum=1)
    await limiter.acquire()
    waiters = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
    await settle()
    limiter.release()
    # Its slot is granted, but it has not run yet.
    waiters[0].cancel()
    await settle()

    assert [waiter.done() for waiter in waiters] == [True, True, False]
    assert waiters[0].cancelled()
    assert limiter.state.in_flight == 1
    waiters[2].cancel()


@pytest.mark.parametrize("per_minute", [1, 7, 60, 3000])
async def test_no_minute_sees_more_requests_than_allowed(make: MakeLimiter, per_minute: int) -> None:
    chance = random.Random(SEED)
    limiter = make(start=500, maximum=500, requests=per_minute)
    upstream = Upstream(limiter, latency_s=0.2)
    began_at = anyio.current_time()
    # Bursts, rests and a steady load: a bucket must not save up.
    while anyio.current_time() < began_at + 600:
        await upstream.call_for(chance.uniform(1, 100), tasks=chance.choice([3, 50, 200]))
        await anyio.sleep(chance.choice([0.1, 90]))

    starts = upstream.started
    busiest = max(bisect_left(starts, at + 59.999) - index for index, at in enumerate(starts))
    assert busiest <= per_minute


async def test_requests_are_spread_over_the_minute_and_the_allowance_is_used(make: MakeLimiter) -> None:
    upstream = Upstream(make(start=100, maximum=100, requests=600), latency_s=0.05)
    began_at = anyio.current_time()
    await upstream.call_for(300, tasks=50)

    assert len(upstream.started) == pytest.approx(3000, rel=0.03)
    for second in range(1, 300):
        at = began_at + second
        assert bisect_left(upstream.started, at + 1) - bisect_left(upstream.started, at) <= 20


async def test_tokens_are_spread_by_what_calls_really_cost(make: MakeLimiter) -> None:
    upstream = Upstream(make(start=100, maximum=100, tokens=60_000), latency_s=0.05, tokens=1000)
    upstream.used = 250
    await upstream.call_for(600, tasks=50)

    # 60,000 a minute at 250 a call are four a second; what was expected would make one.
    assert len(upstream.done) == pytest.approx(2400, rel=0.05)


async def test_calls_that_cost_more_than_expected_slow_down_the_next_ones(make: MakeLimiter) -> None:
    upstream = Upstream(make(start=100, maximum=100, tokens=60_000), latency_s=0.05, tokens=100)
    upstream.used = 1000
    await upstream.call_for(600, tasks=20)

    assert len(upstream.done) == pytest.approx(600, rel=0.1)


async def test_a_call_above_a_seconds_tokens_is_let_through(make: MakeLimiter) -> None:
    upstream = Upstream(make(tokens=600), tokens=5000)
    began_at = anyio.current_time()
    await upstream.call_for(1600, tasks=3)

    starts = [at - began_at for at in upstream.started]
    assert starts[0] == 0
    assert starts[1] == pytest.approx(508, abs=20)


async def test_a_cheap_call_does_not_overtake_a_dear_one(make: MakeLimiter) -> None:
    limiter = make(tokens=6000)
    served: list[int] = []

    async def call(tokens: int) -> None:
        await limiter.acquire(tokens)
        served.append(tokens)

    await limiter.acquire(60)
    async with anyio.create_task_group() as tasks:
        for tokens in (100, 1, 1):
            tasks.start_soon(call, tokens)
            await anyio.sleep(0.1)

    assert served == [100, 1, 1]


async def test_a_canceled_waiter_costs_nothing_of_the_allowance(make: MakeLimiter) -> None:
    limiter = make(requests=60)
    await limiter.acquire()
    for _ in range(100):
        with anyio.move_on_after(0.001):
            await limiter.acquire()
    began_at = anyio.current_time()
    await limiter.acquire()

    assert anyio.current_time() - began_at <= 1


async def test_changes_of_one_reason_are_told_as_one(make: MakeLimiter) -> None:
    limiter = make(start=20, maximum=1000)
    upstream = Upstream(limiter)
    upstream.refuses = lambda: 5000 <= len(upstream.started) < 5010
    await upstream.call_for(3, tasks=400)

    told = [(change.number, change.reason, change.before, change.after) for change in limiter.changes()]
    assert told[:3] == [(1, "ramp", 20, 640), (2, "refused", 640, 320), (3, "paused", 320, 320)]
    assert told[3][1] == "growth"
    assert len(told) == 4
    assert [change.number for change in limiter.changes(after=2)] == [3, 4]
    assert {change.at for change in limiter.changes()} == {5000.0}


async def test_changes_are_bounded(make: MakeLimiter) -> None:
    limiter = make()
    for number in range(500):
        limiter._note_change("growth" if number % 2 else "refused", 10, 9)

    assert [change.number for change in limiter.changes()] == list(range(401, 501))


@pytest.mark.parametrize(("is_sent", "waited_s"), [(True, 1.0), (False, 0.0)])
async def test_what_was_not_sent_costs_nothing_of_a_minute(make: MakeLimiter, is_sent: bool, waited_s: float) -> None:
    limiter = make(requests=60, tokens=6000)
    await limiter.acquire(100)
    if not is_sent:
        limiter.note_unsent(100)
    limiter.release()
    began_at = anyio.current_time()
    await limiter.acquire(100)

    assert anyio.current_time() - began_at == pytest.approx(waited_s, abs=0.05)


async def test_the_state_can_be_shown_as_json(make: MakeLimiter) -> None:
    limiter = make(start=2, maximum=5)
    permit = await limiter.acquire()
    limiter.note_refused(permit, 30)

    assert limiter.state.to_json() == {
        "concurrency": 1,
        "max_concurrency": 5,
        "in_flight": 1,
        "waiting": 0,
        "limit_reached": True,
        "episodes": 1,
        "paused_until": 5030.0,
        "paused_s": 30.0,
    }
