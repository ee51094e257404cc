"""Whether an endpoint answers at all, shared by all calls to it.

While it is gone nobody hammers it: calls wait, and one of them tries it now and then. The first answer, whatever it
says, lets all of them through. The endpoint is shown as unreachable as soon as a connection fails and nothing else was
heard from it just before, long before any call is given up.

Where several processes call an endpoint, they tell each other of outages (`told`, `adopt`, `end`), and the one that is
granted a probe tries the endpoint for all.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import structlog

from evalhaven.domain.clock import Clock
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.outages import Outage
from evalhaven.domain.samples import ItemError

_FAILURES = 5
_SILENT_S = 1.0
FIRST_PROBE_S = 0.5
LONGEST_PROBE_S = 5.0
_LATE_S = 60.0  # while calls wait, one of them tries more often than that
_KEEPS_S = 30.0  # after an answer in an outage that only others had noticed, theirs are theirs
_HEARD_S = 0.5  # an endpoint that answered this recently is there, whatever happens to one connection


class EndpointDownError(Exception):
    """An endpoint has been gone for so long that calls are given up.

    Attributes:
        error: Why the last call failed.
        is_strange: Whether it could not be reached, never answered this caller, and nobody set how long to wait.
    """

    def __init__(self, error: ItemError, *, is_strange: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.is_strange = is_strange


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Why an endpoint cannot be reached, and since when, in Unix seconds."""

    reason: str
    since: float

    def to_json(self) -> JsonObject:
        """Return the fact as run objects show it."""
        return {"reason": self.reason, "since": self.since}


@dataclass(frozen=True, slots=True)
class Waiter:
    """A call that waits for an endpoint.

    Attributes:
        began_at: When the call was first made, on the loop's clock.
        arrived_at: When it first found the endpoint gone.
        was_answered: Whether its run has ever had an answer from the endpoint.
    """

    began_at: float
    arrived_at: float
    was_answered: bool


@dataclass(slots=True)
class _Outage:
    since: float
    next_probe_at: float
    error: ItemError
    is_unreached: bool
    is_known: bool = False  # to the other processes
    is_adopted: bool = False  # from them
    probe_every_s: float = FIRST_PROBE_S
    has_changed: anyio.Event = field(default_factory=anyio.Event)  # it is over, or somebody may try


class Reachability:
    """Follows the results of calls, and notices an outage: nothing but failures, at least five, for a second.

    Attributes:
        is_down: Whether there is an outage now.
        has_replied: Whether anything was ever heard from the endpoint.
        has_ended_known: Whether an answer ended an outage that other processes know of.
        waiting: How many calls wait for the end of an outage.
    """

    __slots__ = (
        "_clock",
        "_endpoint",
        "_failing_since",
        "_failures",
        "_heard_at",
        "_keeps_until",
        "_log",
        "_loop",
        "_on_change",
        "_outage",
        "_retry_for_s",
        "_strange_for_s",
        "_unreachable",
        "_unreached_at",
        "has_ended_known",
        "has_replied",
        "is_down",
        "waiting",
    )

    def __init__(
        self,
        endpoint: str,
        retry_for_s: float,
        loop: asyncio.AbstractEventLoop,
        strange_for_s: float | None = None,
        clock: Clock | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        """Start as reachable.

        Args:
            endpoint: Its name, for the log.
            retry_for_s: Seconds after which calls no longer wait for the end of an outage.
            loop: Its time is used.
            strange_for_s: The same for calls of a run that it never answered, if it is unreachable; None for the same.
            clock: The time that is shown.
            on_change: Called when an outage begins or ends, if other processes are to know; a call tries the endpoint
                only when that is granted. None: this process is alone.
        """
        self._on_change = on_change
        self._keeps_until = float("-inf")
        self.has_ended_known = False
        self.waiting = 0
        self.is_down = False
        self.has_replied = False
        self._unreachable: Unreachable | None = None
        self._unreached_at = 0.0
        self._endpoint = endpoint
        self._retry_for_s = retry_for_s
        self._strange_for_s = strange_for_s
        self._loop = loop
        self._clock = clock or Clock()
        self._failures = 0
        self._failing_since = 0.0
        self._heard_at = float("-inf")
        self._outage: _Outage | None = None
        self._log = structlog.get_logger("evalhaven.endpoints")

    @property
    def unreachable(self) -> Unreachable | None:
        """Return why the endpoint cannot be reached now; None if it can, or if nobody has tried lately."""
        return self._unreachable if self._loop.time() - self._unreached_at < _LATE_S else None

    def note_reply(self) -> None:
        """Count an answer, even a refusal."""
        self._failures = 0
        self.has_replied = True
        self._heard_at = self._loop.time()
        if self._unreachable is not None:
            gone_s = round(self._clock.now() - self._unreachable.since, 1)
            self._log.warning("endpoint_reachable", endpoint=self._endpoint, after_s=gone_s, effect="calls go on")
            self._unreachable = None
        if self._outage is not None:
            self._note_end(self._outage)

    def _note_end(self, outage: _Outage) -> None:
        if outage.is_adopted:
            # Others may have lost their own way to an endpoint that is there.
            self._keeps_until = self._loop.time() + _KEEPS_S
        self.has_ended_known = self.has_ended_known or outage.is_known
        self._leave(outage)
        if self._on_change is not None:
            self._on_change()

    def _leave(self, outage: _Outage) -> None:
        self._outage = None
        self.is_down = False
        outage.has_changed.set()

    @property
    def told(self) -> Outage | None:
        """Return what other processes are to know of the outage; None if there is none."""
        outage = self._outage
        if outage is None:
            return None
        return Outage(self._loop.time() - outage.since, outage.error, outage.is_unreached)

    @property
    def is_known(self) -> bool:
        """Tell whether the other processes know of the outage."""
        return self._outage is not None and self._outage.is_known

    def note_ended(self) -> None:
        """Note that the other processes have been told that the endpoint has answered."""
        self.has_ended_known = False

    def note_known(self) -> None:
        """Note that the other processes have been told of the outage."""
        if self._outage is not None:
            self._outage.is_known = True

    def adopt(self, outage: Outage) -> None:
        """Let calls wait because another process noticed an outage, unless this one has just heard of the endpoint."""
        now = self._loop.time()
        if self._outage is None and now - self._heard_at >= _HEARD_S and now >= self._keeps_until:
            since = now - outage.lasts_s
            never = float("inf")
            self._outage = _Outage(since, never, outage.error, outage.is_unreached, is_known=True, is_adopted=True)
            self.is_down = True

    def end(self) -> None:
        """Let calls go on, because another process had an answer."""
        if self._outage is not None:
            self._failures = 0
            self._unreachable = None
            self._leave(self._outage)

    def grant_probe(self) -> None:
        """Let one of the calls that wait try the endpoint, for all processes."""
        outage = self._outage
        if outage is not None:
            outage.next_probe_at = self._loop.time()
            changed, outage.has_changed = outage.has_changed, anyio.Event()
            changed.set()

    def note_failure(self, error: ItemError, *, is_unreached: bool = False) -> None:
        """Count a call that got no answer, or a 5xx.

        Args:
            error: What its item would show.
            is_unreached: Whether there was no connection at all.
        """
        now = self._loop.time()
        if is_unreached:
            self._unreached_at = now
            self._note_unreached(error, now)
        if self._outage is not None:
            self._outage.error = error
            self._outage.is_unreached = is_unreached
            return
        if self._failures == 0:
            self._failing_since = now
        self._failures += 1
        if self._failures >= _FAILURES and now - self._failing_since >= _SILENT_S:
            first_probe_at = now + FIRST_PROBE_S if self._on_change is None else float("inf")
            self._outage = _Outage(self._failing_since, first_probe_at, error, is_unreached=is_unreached)
            self.is_down = True
            if self._on_change is not None:
                self._on_change()

    def _note_unreached(self, error: ItemError, now: float) -> None:
        """Report that there was no connection, unless something is heard within the next half second."""
        if self._unreachable is not None:
            return
        since = self._clock.now()
        heard_at = self._heard_at

        def tell() -> None:
            if self._unreachable is None and self._heard_at == heard_at:
                self._unreachable = Unreachable(error.message, since)
                self._log.warning(
                    "endpoint_unreachable", endpoint=self._endpoint, reason=error.message, effect="calls wait"
                )

        fresh_s = heard_at + _HEARD_S - now
        if fresh_s > 0:
            self._loop.call_later(fresh_s, tell)
        else:
            tell()

    async def wait_for_turn(self, waiter: Waiter) -> bool:
        """Wait until an outage is over; return True to the call that is to find out.

        Args:
            waiter: The call that waits.

        Raises:
            EndpointDownError: The outage has lasted too long, and the attempts of the last seconds failed too.
        """
        self.waiting += 1
        try:
            return await self._wait_for_turn(waiter)
        finally:
            self.waiting -= 1

    async def _wait_for_turn(self, waiter: Waiter) -> bool:
        while self._outage is not None:
            outage = self._outage
            now = self._loop.time()
            # A late call still waits for two attempts: the endpoint may have returned long ago.
            give_up_at = max(outage.since + self._retry_for_s, waiter.arrived_at + 2 * LONGEST_PROBE_S)
            is_strange = outage.is_unreached and not waiter.was_answered and self._strange_for_s is not None
            if is_strange:
                give_up_at = max(outage.since, waiter.began_at) + (self._strange_for_s or 0.0)
            if now >= give_up_at:
                raise EndpointDownError(outage.error, is_strange=is_strange)
            if now >= outage.next_probe_at:
                outage.next_probe_at = now + outage.probe_every_s if self._on_change is None else float("inf")
                outage.probe_every_s = min(2 * outage.probe_every_s, LONGEST_PROBE_S)
                return True
            with anyio.move_on_after(min(outage.next_probe_at, give_up_at) - now):
                await outage.has_changed.wait()
        return False
