"""Random histories of a limiter: arrivals, replies, cancels at any moment, pauses; no slot is lost."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from evalhaven.sampling.calls.limiter import AdaptiveLimiter
from evalhaven.sampling.calls.limits import Limits
from tests.virtual_time import VirtualTimeLoop

MAXIMUM = 6


class LimiterHistory(RuleBasedStateMachine):
    """Drives a limiter without a pool of tasks, so that every order of events can happen."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.limiter = AdaptiveLimiter(Limits(MAXIMUM, 2), self.loop)
        self.waiting: list[asyncio.Task[int]] = []
        self.calling: list[asyncio.Task[int]] = []

    def teardown(self) -> None:
        for task in self.waiting:
            task.cancel()
        self.settle()
        for task in self.calling:
            self.limiter.note_good(task.result())
            self.limiter.release()
        self.calling.clear()
        assert (self.limiter.state.in_flight, self.limiter.state.waiting) == (0, 0)
        # Every slot is still there.
        self.loop.now += 1000
        for _ in range(self.limiter.state.concurrency):
            self.loop.run_until_complete(asyncio.wait_for(self.limiter.acquire(), 1))
        self.loop.close()

    def settle(self) -> None:
        """Let all tasks go on, and find out who was served."""
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))
        for task in [each for each in self.waiting if each.done()]:
            if not task.cancelled():
                # A task that came earlier and still waits was overtaken.
                assert all(each.done() for each in self.waiting[: self.waiting.index(task)])
                self.calling.append(task)
        self.waiting = [each for each in self.waiting if not each.done()]

    @rule(count=st.integers(1, 4))
    def arrive(self, count: int) -> None:
        before = self.limiter.state.in_flight
        self.waiting += [self.loop.create_task(self.limiter.acquire()) for _ in range(count)]
        self.settle()
        state = self.limiter.state
        assert state.in_flight == before or state.in_flight <= state.concurrency

    @precondition(lambda self: self.calling)
    @rule(
        which=st.integers(0, 99),
        asked_s=st.sampled_from([None, None, None, 0.0, 0.5, 3.0]),
        is_refused=st.booleans(),
        canceled=st.integers(0, 3),
    )
    def reply(self, which: int, asked_s: float | None, is_refused: bool, canceled: int) -> None:
        permit = self.calling.pop(which % len(self.calling)).result()
        if is_refused:
            self.limiter.note_refused(permit, asked_s)
        else:
            self.limiter.note_good(permit)
        before = self.limiter.state.in_flight
        self.limiter.release()
        state = self.limiter.state
        assert state.in_flight < before or state.in_flight <= state.concurrency
        # The slot may be granted to one of these, which has not run yet.
        for task in self.waiting[:canceled]:
            task.cancel()

    @precondition(lambda self: self.waiting)
    @rule(which=st.integers(0, 99))
    def cancel(self, which: int) -> None:
        self.waiting[which % len(self.waiting)].cancel()

    @rule()
    def run(self) -> None:
        self.settle()

    @rule(seconds=st.floats(0.001, 5))
    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.settle()

    @invariant()
    def slots_and_holders_agree(self) -> None:
        self.settle()
        state = self.limiter.state
        assert state.in_flight == len(self.calling)
        assert state.waiting == len(self.waiting)
        assert 1 <= state.concurrency <= MAXIMUM

    @invariant()
    def nobody_waits_while_there_is_room(self) -> None:
        state = self.limiter.state
        if state.paused_until is None and self.waiting:
            # A pause that ended this very instant is told by its timer.
            self.loop.run_until_complete(asyncio.sleep(0.002))
            self.settle()
            state = self.limiter.state
            assert state.in_flight >= state.concurrency or not self.waiting


LimiterHistory.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestLimiterHistories = LimiterHistory.TestCase
