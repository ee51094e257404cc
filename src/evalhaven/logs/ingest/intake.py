"""The intake: checks calls that come from elsewhere and stores them, a batch at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio.to_thread

from evalhaven.domain.clock import Clock
from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.reading.calls import ParsedCall, logged_call
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.logs.store import LogStore

_DAY_S = 24 * 3600

Reading = Callable[[ProjectScope, int], ParsedCall]
"""Reads one call of a project, at a Unix second; raises `UnreadableReplyError` where there is none."""


class TooOldError(UnreadableReplyError):
    """A call is older than calls are kept; the message says how to keep it.

    Attributes:
        days_needed: For how many days calls would have to be kept.
    """

    def __init__(self, kept_days: int, days_needed: int) -> None:
        super().__init__(
            f"it is older than the {kept_days} days for which calls are kept here: raise EVALHAVEN_LOG_DAYS to "
            f"{days_needed} or more, restart the server, and send it again"
        )
        self.days_needed = days_needed


class RefusedCall(NamedTuple):
    """A call that cannot be stored.

    Attributes:
        days_needed: For how many days calls would have to be kept to keep it; 0 if something else is wrong with it.
    """

    number: int
    reason: str
    days_needed: int


@dataclass(slots=True)
class IntakeOutcome:
    """What came of calls.

    Attributes:
        stored: Calls that are stored now and were not before.
        known: Calls that were stored already.
        refused: Calls that cannot be stored.
    """

    stored: int = 0
    known: int = 0
    refused: list[RefusedCall] = field(default_factory=list[RefusedCall])


class CallIntake:
    """Takes in calls from elsewhere."""

    def __init__(self, store: LogStore, redaction: Redaction, clock: Clock, kept_days: int) -> None:
        """Take calls in.

        Args:
            store: Where they are kept.
            redaction: What must not be stored.
            clock: Tells which calls are too old.
            kept_days: For how many days calls are kept.
        """
        self._store = store
        self._redaction = redaction
        self._clock = clock
        self._kept_days = kept_days

    async def take(
        self, scope: ProjectScope, calls: Sequence[tuple[int, Reading]], *, is_check: bool = False
    ) -> IntakeOutcome:
        """Take in a batch.

        Args:
            scope: Whose calls.
            calls: The number of each call, for refusals, and what reads it.
            is_check: Store nothing, and say what would come of it.
        """
        outcome = IntakeOutcome()
        # In a thread: reading takes a fraction of a millisecond a call, and other requests must not wait.
        found = await anyio.to_thread.run_sync(self._read, scope, calls, outcome)
        if not found:
            return outcome
        if is_check:
            origins = {(call.created_at, call.origin) for call in found}
            outcome.stored = len(origins) - await self._store.count_stored(scope, sorted(origins))
        else:
            outcome.stored = await self._store.add(found)
        outcome.known = len(found) - outcome.stored
        return outcome

    def _read(
        self, scope: ProjectScope, calls: Sequence[tuple[int, Reading]], outcome: IntakeOutcome
    ) -> list[LoggedCall]:
        found: list[LoggedCall] = []
        now = int(self._clock.now())
        for number, read in calls:
            try:
                parsed = read(scope, now)
                self._require_kept(parsed, now)
                found.append(logged_call(parsed, self._redaction))
            except UnreadableReplyError as error:
                days_needed = error.days_needed if isinstance(error, TooOldError) else 0
                outcome.refused.append(RefusedCall(number, str(error), days_needed))
        return found

    def _require_kept(self, parsed: ParsedCall, now: int) -> None:
        """Refuse a call that would be dropped at once, or never."""
        days_needed = now // _DAY_S - parsed.created_at // _DAY_S
        if days_needed > self._kept_days:
            raise TooOldError(self._kept_days, days_needed)
        if parsed.created_at > now + _DAY_S:
            raise UnreadableReplyError("it was made in the future; times are Unix seconds")
