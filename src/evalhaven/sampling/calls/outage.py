"""Whether an endpoint answers at all, shared by all calls to it.

While it is gone nobody hammers it: calls wait, and one of them tries it now and then. The first answer, whatever it
says, lets all of them through.
"""

import asyncio
from dataclasses import dataclass, field

import anyio

from evalhaven.domain.samples import ItemError

_FAILURES = 5
_SILENT_S = 1.0
_FIRST_PROBE_S = 0.5
_LONGEST_PROBE_S = 5.0


class EndpointDownError(Exception):
    """An endpoint has been gone for so long that calls are given up.

    Attributes:
        error: Why the last one failed.
    """

    def __init__(self, error: ItemError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(slots=True)
class _Outage:
    since: float
    next_probe_at: float
    error: ItemError
    probe_every_s: float = _FIRST_PROBE_S
    is_over: anyio.Event = field(default_factory=anyio.Event)


class Reachability:
    """Follows what becomes of calls, and notices an outage: nothing but failures, five at least, for a second.

    Attributes:
        is_down: Whether there is an outage now.
    """

    __slots__ = ("_failing_since", "_failures", "_loop", "_outage", "_retry_for_s", "is_down")

    def __init__(self, retry_for_s: float, loop: asyncio.AbstractEventLoop) -> None:
        """Begin reachable.

        Args:
            retry_for_s: Seconds after which calls no longer wait for the end of an outage.
            loop: Its time is used.
        """
        self.is_down = False
        self._retry_for_s = retry_for_s
        self._loop = loop
        self._failures = 0
        self._failing_since = 0.0
        self._outage: _Outage | None = None

    def note_reply(self) -> None:
        """Count an answer, be it a refusal."""
        self._failures = 0
        if self._outage is not None:
            self._outage.is_over.set()
            self._outage = None
            self.is_down = False

    def note_failure(self, error: ItemError) -> None:
        """Count a call that had no answer, or a 5xx."""
        now = self._loop.time()
        if self._outage is not None:
            self._outage.error = error
            return
        if self._failures == 0:
            self._failing_since = now
        self._failures += 1
        if self._failures >= _FAILURES and now - self._failing_since >= _SILENT_S:
            self._outage = _Outage(self._failing_since, now + _FIRST_PROBE_S, error)
            self.is_down = True

    async def wait_for_turn(self, arrived_at: float) -> bool:
        """Wait until an outage is over; return True to the one who shall try whether it is.

        Args:
            arrived_at: When the call began to wait for the end of an outage, on the loop's clock.

        Raises:
            EndpointDownError: It lasts for too long, and the attempts of the last seconds failed too.
        """
        while self._outage is not None:
            outage = self._outage
            now = self._loop.time()
            # Whoever comes late waits for two attempts all the same: it may have returned long ago.
            give_up_at = max(outage.since + self._retry_for_s, arrived_at + 2 * _LONGEST_PROBE_S)
            if now >= give_up_at:
                raise EndpointDownError(outage.error)
            if now >= outage.next_probe_at:
                outage.next_probe_at = now + outage.probe_every_s
                outage.probe_every_s = min(2 * outage.probe_every_s, _LONGEST_PROBE_S)
                return True
            with anyio.move_on_after(min(outage.next_probe_at, give_up_at) - now):
                await outage.is_over.wait()
        return False
