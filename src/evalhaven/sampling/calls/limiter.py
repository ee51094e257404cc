"""The limiter of one model at one endpoint: who may call now, who has to wait, and for how long.

First come, first served. A slot is never lost: it is given back by `release`, or by `acquire` itself
when it is canceled at the very moment at which it was granted. Nothing runs in the background; a timer exists only
while somebody waits for a time. All methods belong to one event loop.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from evalhaven.domain.clock import Clock
from evalhaven.sampling.calls.allowance import Allowance
from evalhaven.sampling.calls.concurrency import ChangeReason, Concurrency
from evalhaven.sampling.calls.limits import LimitChange, LimiterState, Limits

_MOST_CHANGES = 100
_SHORTEST_TIMER_S = 0.001
_LONGEST_UNASKED_S = 20.0
_ABOUT = 0.9


class AdaptiveLimiter:
    """Hands out slots, in the order of arrival.

    permit = await limiter.acquire(tokens)
    try:
        ...  # call, then note_good(permit) or note_refused(permit, asked_s)
    finally:
        limiter.release()
    """

    __slots__ = (
        "_asked_until",
        "_changes",
        "_clock",
        "_concurrency",
        "_in_flight",
        "_is_timed",
        "_lent",
        "_lent_until",
        "_loop",
        "_number",
        "_on_want",
        "_paused_s",
        "_paused_until",
        "_queue",
        "_refused_since",
        "_requests",
        "_timer",
        "_timer_at",
        "_tokens",
    )

    def __init__(
        self,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        clock: Clock | None = None,
        on_want: Callable[[], None] | None = None,
    ) -> None:
        """Start with nothing under way.

        Args:
            limits: What is configured.
            loop: Its time, timers and futures are used.
            clock: The time shown with changes.
            on_want: Called when a call waits and nothing is left of what `lend` lends, as processes share slots;
                None: all slots are this limiter's.
        """
        self._on_want = on_want
        self._lent = 0
        self._lent_until = 0.0
        self._concurrency = Concurrency(limits.start_concurrency, limits.max_concurrency, loop.time, self._note_change)
        self._loop = loop
        self._clock = clock or Clock()
        now = loop.time()
        per_minute = (limits.requests_per_minute, limits.tokens_per_minute)
        self._requests = None if per_minute[0] is None else Allowance(per_minute[0], now, is_counted=True)
        self._tokens = None if per_minute[1] is None else Allowance(per_minute[1], now, is_counted=False)
        self._is_timed = per_minute != (None, None)
        self._in_flight = 0
        self._queue: OrderedDict[asyncio.Future[None], int] = OrderedDict()
        self._paused_until = 0.0
        self._asked_until = 0.0  # of that, what the endpoint asked of this limiter
        self._paused_s = 0.0
        self._refused_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._changes: deque[LimitChange] = deque(maxlen=_MOST_CHANGES)
        self._number = 0

    async def acquire(self, tokens: int = 0) -> int:
        """Wait for a slot; return the permit for reporting the reply.

        Args:
            tokens: How many of the tokens per minute the call is expected to use.
        """
        concurrency = self._concurrency
        if (
            self._in_flight >= concurrency.limit
            or self._queue
            or (self._is_timed and self._blocked_s(tokens, self._loop.time()) > 0)
            or (self._on_want is not None and not self._has_lent_slot())
        ):
            await self._wait_in_line(tokens)
        else:
            self._grant(tokens)
        return concurrency.epoch

    def shrink(self, slots: int) -> None:
        """Let no more calls than so many begin; those under way stay."""
        self._lent = min(self._lent, slots)

    def lend(self, slots: int, until: float, fraction: float) -> None:
        """Let so many calls be under way at once, for some time.

        Args:
            slots: How many of all slots are this limiter's; calls under way stay, even if they are more.
            until: When that ends, by `time.monotonic`: the loop's clock stands still while the loop does something.
            fraction: Which part of the allowances per minute is this limiter's.
        """
        self._lent, self._lent_until = slots, until
        if fraction > 0:
            for allowance in (self._requests, self._tokens):
                if allowance is not None:
                    allowance.take_part(fraction)
        if self._queue:
            self._serve_queue()

    @property
    def wanted(self) -> int:
        """Return how many slots would be used now: by calls under way and by those that wait."""
        return self._in_flight + len(self._queue)

    @property
    def in_flight(self) -> int:
        """Return how many calls are under way."""
        return self._in_flight

    @property
    def is_open(self) -> bool:
        """Tell whether a slot that was granted may still be used: the process may have stood still since."""
        return self._on_want is None or time.monotonic() < self._lent_until

    def _has_lent_slot(self) -> bool:
        return self._in_flight < self._lent and time.monotonic() < self._lent_until

    def release(self) -> None:
        """Give a slot back."""
        self._in_flight -= 1
        if self._queue:
            self._serve_queue()

    def note_good(self, permit: int) -> None:
        """Count a reply that was not a 429, before its slot is released."""
        self._refused_since = None
        self._concurrency.note_good(permit)

    def note_refused(self, permit: int, asked_s: float | None) -> None:
        """Count a 429, before its slot is released.

        Args:
            permit: The permit of the call.
            asked_s: For how long nobody may call, as the endpoint said; None if it said nothing. Then, if every call
                since some moment has been answered 429, calls pause for as long as that has lasted.
        """
        now = self._loop.time()
        if self._refused_since is None:
            self._refused_since = now
        if self._concurrency.note_refused(permit, asked_s or 0.0):
            # Making the others wait would not reduce the refusals.
            return
        if asked_s is None:
            fruitless_s = now - self._refused_since
            asked_s = min(fruitless_s, _LONGEST_UNASKED_S) if fruitless_s >= 1 else 0.0
        until = now + asked_s
        added_s = until - max(now, self._paused_until)
        if added_s > 0:
            self._paused_until = self._asked_until = until
            self._paused_s += added_s
            self._is_timed = True
            self._note_change("paused", self._concurrency.limit, self._concurrency.limit, added_s)

    @property
    def asked_pause_s(self) -> float:
        """Return for how long nobody may call, as far as calls of this limiter were told so."""
        return max(0.0, self._asked_until - self._loop.time())

    def pause(self, seconds: float) -> None:
        """Let nobody call for some time, because the endpoint asked another process for that."""
        until = self._loop.time() + seconds
        if seconds > 0 and until > self._paused_until:
            self._paused_until = until
            self._is_timed = True

    def is_paused_for(self, seconds: float) -> bool:
        """Tell whether nobody may call for about this long."""
        return self._paused_until - self._loop.time() >= _ABOUT * seconds

    @property
    def fruitless_s(self) -> float:
        """For how long every call has been answered 429."""
        return 0.0 if self._refused_since is None else self._loop.time() - self._refused_since

    def note_tokens(self, expected: int, used: int) -> None:
        """Charge what a call really cost instead of what was expected."""
        if self._tokens is not None and expected != used:
            self._tokens.take(used - expected)
            if self._queue:
                self._serve_queue()

    def note_unsent(self, tokens: int) -> None:
        """Refund what a slot was charged: nothing was sent, so it costs nothing.

        Args:
            tokens: What was expected.
        """
        if self._requests is not None:
            self._requests.take(-1)
        self.note_tokens(tokens, 0)

    @property
    def state(self) -> LimiterState:
        """The present state of the limiter."""
        left_s = self._paused_until - self._loop.time()
        limit = self._concurrency.limit if self._on_want is None else min(self._concurrency.limit, self._lent)
        return LimiterState(
            concurrency=limit,
            max_concurrency=self._concurrency.maximum,
            in_flight=self._in_flight,
            waiting=len(self._queue),
            is_limit_reached=self._in_flight >= limit,
            episodes=self._concurrency.episodes,
            paused_until=self._clock.now() + left_s if left_s > 0 else None,
            paused_s=self._paused_s,
        )

    def changes(self, after: int = 0) -> list[LimitChange]:
        """Return the last hundred changes, oldest first.

        Args:
            after: Number of the last known change; if it has grown since, it is not returned again.
        """
        return [change for change in self._changes if change.number > after]

    def _blocked_s(self, tokens: int, now: float) -> float:
        """Return for how long a pause or an allowance delays the next call."""
        wait_s = self._paused_until - now
        if self._requests is None and self._tokens is None:
            self._is_timed = wait_s > 0
            return wait_s
        if self._requests is not None:
            wait_s = max(wait_s, self._requests.wait_s(1, now))
        if self._tokens is not None:
            wait_s = max(wait_s, self._tokens.wait_s(tokens, now))
        return wait_s

    def _grant(self, tokens: int) -> None:
        self._in_flight = in_flight = self._in_flight + 1
        self._concurrency.most = max(self._concurrency.most, in_flight)
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            self._tokens.take(tokens)

    async def _wait_in_line(self, tokens: int) -> None:
        place = self._loop.create_future()
        self._queue[place] = tokens
        self._serve_queue()
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():
                self.note_unsent(tokens)
                self.release()
            else:
                self._queue.pop(place, None)
                # It may have held up those behind it in the queue.
                self._serve_queue()
            raise

    def _serve_queue(self) -> None:
        """Grant free slots to those who wait, and set the timer for the next one."""
        queue = self._queue
        while queue and self._in_flight < self._concurrency.limit:
            if self._on_want is not None and not self._has_lent_slot():
                if self._in_flight == 0 or not self.is_open:
                    # Who has slots waits for its turn: workers look for more twice a second anyway.
                    self._on_want()
                return
            place, tokens = next(iter(queue.items()))
            if place.done():
                # Its task was canceled and has not noticed yet.
                del queue[place]
                continue
            if self._is_timed:
                now = self._loop.time()
                wait_s = self._blocked_s(tokens, now)
                if wait_s > 0:
                    self._set_timer(now + max(wait_s, _SHORTEST_TIMER_S))
                    return
            del queue[place]
            self._grant(tokens)
            place.set_result(None)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._serve_queue()

    def _note_change(
        self, reason: ChangeReason | Literal["paused"], before: int, after: int, pause_s: float = 0.0
    ) -> None:
        at = self._clock.now()
        if self._changes and self._changes[-1].reason == reason:
            last = self._changes[-1]
            self._changes[-1] = replace(last, at=at, after=after, pause_s=last.pause_s + pause_s)
            return
        self._number += 1
        self._changes.append(LimitChange(self._number, at, reason, before, after, pause_s))
