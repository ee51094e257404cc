"""The intake: checks calls that come from elsewhere and stores them, a batch at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio.to_thread

from evalhaven.domain.clock import Clock
from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.wording import counted
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

    def __init__(self, kept_days: int, own_days: int | None, days_needed: int) -> None:
        """Refuse it.

        Args:
            kept_days: For how many days the server keeps calls.
            own_days: For how many its project wants them kept; None: as long as the server.
            days_needed: For how many days calls would have to be kept.
        """
        cures: list[str] = []
        if days_needed > kept_days:
            cures.append(f"raise EVALHAVEN_LOG_DAYS to {days_needed} or more, restart the server")
        if own_days is not None and days_needed > own_days:
            command = f"`evalhaven logs retention --days {days_needed}`"
            cures.append(f"have an administrator of the project keep its calls for as many days ({command})")
        is_own = own_days is not None and own_days < kept_days
        age = counted(own_days or kept_days if is_own else kept_days, "day")
        where = "in this project" if is_own else "here"
        super().__init__(
            f"it is older than the {age} for which calls are kept {where}: {', '.join(cures)}, and send it again"
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
        self,
        scope: ProjectScope,
        calls: Sequence[tuple[int, Reading]],
        *,
        own_days: int | None = None,
        is_check: bool = False,
    ) -> IntakeOutcome:
        """Take in a batch.

        Args:
            scope: Whose calls.
            calls: The number of each call, for refusals, and what reads it.
            own_days: For how many days the project wants its calls kept; None: as long as the server keeps any.
            is_check: Store nothing, and say what would come of it.
        """
        outcome = IntakeOutcome()
        # In a thread: reading takes a fraction of a millisecond a call, and other requests must not wait.
        found = await anyio.to_thread.run_sync(self._read, scope, calls, own_days, outcome)
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
        self,
        scope: ProjectScope,
        calls: Sequence[tuple[int, Reading]],
        own_days: int | None,
        outcome: IntakeOutcome,
    ) -> list[LoggedCall]:
        found: list[LoggedCall] = []
        now = int(self._clock.now())
        for number, read in calls:
            try:
                parsed = read(scope, now)
                self._require_kept(parsed, now, own_days)
                found.append(logged_call(parsed, self._redaction))
            except UnreadableReplyError as error:
                days_needed = error.days_needed if isinstance(error, TooOldError) else 0
                outcome.refused.append(RefusedCall(number, str(error), days_needed))
        return found

    def _require_kept(self, parsed: ParsedCall, now: int, own_days: int | None) -> None:
        """Refuse a call that would be dropped at once, or never."""
        days_needed = now // _DAY_S - parsed.created_at // _DAY_S
        if days_needed > self._kept_days or (own_days is not None and days_needed > own_days):
            raise TooOldError(self._kept_days, own_days, days_needed)
        if parsed.created_at > now + _DAY_S:
            raise UnreadableReplyError("it was made in the future; times are Unix seconds")
