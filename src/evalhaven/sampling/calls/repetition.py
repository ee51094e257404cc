"""How many times and for how long one call is repeated, depending on what went wrong."""

from collections.abc import Mapping

from evalhaven.sampling.calls.backoff import Backoff
from evalhaven.sampling.calls.failures import Failure, FailureKind

# Failures that cost money are repeated least; a refusal is free, and with a small limit a call may meet many.
_MOST_ATTEMPTS: Mapping[FailureKind, int] = {
    "rate_limit": 50,
    "server_error": 8,
    "busy": 8,
    "timeout": 8,
    "connection": 8,
    "invalid_reply": 4,
    "final": 1,
}
_OUTAGES = frozenset({"server_error", "timeout", "connection"})


class Repetition:
    """The repetitions of one call; created when its first attempt has failed."""

    __slots__ = ("_attempts", "_backoff", "_has_begun", "_spent_s")

    def __init__(self, backoff: Backoff) -> None:
        """Start with nothing spent.

        Args:
            backoff: The pauses, and the seconds that repetitions may take. Waiting for a slot, as long as a 429 asks,
                or for the end of an outage does not count: others have their turn then, or nobody has.
        """
        self._backoff = backoff
        self._attempts: dict[FailureKind, int] = {}
        self._has_begun = False
        self._spent_s = 0.0

    def find_pause_s(self, failure: Failure, took_s: float, *, is_paced: bool) -> float | None:
        """Return the pause before the next attempt; None if there is no next attempt.

        Args:
            failure: Why the last attempt failed.
            took_s: How long it took.
            is_paced: Whether something else delays the next one: the limiter's pause, or an outage, in which
                attempts that failed because of it do not count either. A complete answer was paid for, and counts.
        """
        if failure.kind == "final":
            return None
        is_refused = failure.kind == "rate_limit"
        if is_paced and failure.kind in _OUTAGES:
            return 0.0
        attempt = self._attempts[failure.kind] = self._attempts.get(failure.kind, 0) + 1
        if attempt >= _MOST_ATTEMPTS[failure.kind]:
            return None
        if self._has_begun:
            self._spent_s += took_s
        self._has_begun = True
        if is_paced:
            return 0.0
        pause_s = self._backoff.pause_s(attempt, failure.asked_s, self._spent_s)
        if pause_s is not None and not (is_refused and failure.asked_s is not None):
            self._spent_s += pause_s
        return pause_s
