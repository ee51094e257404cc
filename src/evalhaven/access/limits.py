"""What a project or key may use: requests a minute, runs at once, stored bytes, dollars of a run and of a month."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from evalhaven.domain.errors import LimitExceededError

_MINUTE_S = 60.0

IDLE_AFTER_S = 2 * _MINUTE_S
"""From when on a count of requests that nobody has used says no more than none: all of them can be made again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a project may use; None of anything means no limit.

    Attributes:
        requests_per_minute: Requests of all its keys, 1 or more.
        concurrent_runs: Runs that are queued or under way, 1 or more.
        stored_bytes: Bytes of its files, uploads and inline rows, 0 or more.
        run_cost: US dollars of the calls of one run, above 0.
        month_cost: US dollars that the calls of all runs may come to in one calendar month (UTC), above 0.
    """

    requests_per_minute: int | None = None
    concurrent_runs: int | None = None
    stored_bytes: int | None = None
    run_cost: float | None = None
    month_cost: float | None = None


NO_LIMITS = Limits()


def refuse_more_runs(limits: Limits, active: int) -> None:
    """Refuse a run of a project that has as many under way as it may.

    Raises:
        LimitExceededError: It has; the message says what to do.
    """
    if limits.concurrent_runs is not None and active >= limits.concurrent_runs:
        raise LimitExceededError(
            f"Runs of this project that are queued or under way: {active}, of {limits.concurrent_runs} allowed at "
            "once. Wait until one ends, cancel one, or have the limit raised (`evalhaven limits`).",
            code="concurrent_runs_exceeded",
        )


def refuse_more_bytes(limits: Limits, stored: int, more: int, param: str | None = None) -> None:
    """Refuse bytes for which a project has no room left.

    Args:
        limits: What it may use.
        stored: Bytes that it has stored.
        more: Bytes that are to be stored.
        param: The parameter that brings them.

    Raises:
        LimitExceededError: They do not fit; the message says what to do.
    """
    if limits.stored_bytes is not None and stored + more > limits.stored_bytes:
        raise LimitExceededError(
            f"The project may store {limits.stored_bytes} bytes of files and inline rows, has {stored}, and this would "
            f"add {more}. Delete files or runs that are not needed, or have the limit raised (`evalhaven limits`).",
            param=param,
            code="storage_limit_exceeded",
        )


@dataclass(frozen=True, slots=True)
class MonthCost:
    """What the calls of a project's runs and graders may come to in a month, and have come to.

    Attributes:
        month: Such as 202611, in UTC.
        most: US dollars that are allowed; infinity without a limit.
        spent: US dollars that were spent.
    """

    month: int
    most: float
    spent: float

    @property
    def left(self) -> float:
        """Return the US dollars that are left; 0.0 if none are."""
        return max(0.0, self.most - self.spent)

    @property
    def sentence(self) -> str:
        """Say what was spent, and what is allowed."""
        return (
            f"Runs and graders of the project have cost ${self.spent:,.2f} in {month_name(self.month)}, and may cost "
            f"${self.most:,.2f} a month."
        )


def unlimited_month(now: float) -> MonthCost:
    """Return the month of a moment for a project without a limit."""
    return MonthCost(month_of(now), math.inf, 0.0)


def refuse_spent_month(cost: MonthCost) -> None:
    """Refuse a run or a grader that calls models where the month's limit is used up.

    Raises:
        LimitExceededError: It is; the message says what to do.
    """
    if not cost.left:
        raise LimitExceededError(
            f"{cost.sentence} What calls no model still works; for the rest wait for the next month, or have the limit "
            "raised (`evalhaven limits`).",
            code="insufficient_quota",
        )


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the requests of a minute, after a request was granted or refused.

    Attributes:
        is_granted: Whether the request may be made.
        limit: Requests a minute.
        remaining: Requests that could be made at once.
        reset_s: Seconds until all of them can be made again.
        wait_s: Seconds until the next one can be made; 0 if that is now.
    """

    is_granted: bool
    limit: int
    remaining: int
    reset_s: float
    wait_s: float


def refilled(
    limit: Any,
    left: Any,
    passed_s: Any,
    lesser: Callable[[Any, Any], Any] = min,
    greater: Callable[[Any, Any], Any] = max,
) -> Any:
    """Return how many requests a token bucket has: all of a minute's after a pause, and evenly more until then.

    This is the one place that says so, for numbers and for columns of a database.

    Args:
        limit: Requests a minute.
        left: How many there were.
        passed_s: Seconds since then.
        lesser: Returns the lesser of two.
        greater: Returns the greater of two.
    """
    return lesser(limit, left + greater(0.0, passed_s) * (limit / _MINUTE_S))


def allowance_of(limit: int, available: float) -> Allowance:
    """Return whether a request may be made of those that are available, and what is left then."""
    rate = limit / _MINUTE_S
    is_granted = available >= 1.0
    left = available - 1.0 if is_granted else available
    wait_s = 0.0 if left >= 1.0 else (1.0 - left) / rate
    return Allowance(is_granted, limit, math.floor(left), (limit - left) / rate, wait_s)


class RequestCounter:
    """Grants requests up to a limit a minute, in memory."""

    __slots__ = ("_at", "_left")

    def __init__(self, limit: int, now: float) -> None:
        """Begin with a whole minute's requests.

        Args:
            limit: Requests a minute.
            now: Seconds of a clock that never goes back.
        """
        self._left = float(limit)
        self._at = now

    def ask(self, limit: int, now: float) -> Allowance:
        """Return whether a request may be made, and what is left; nothing is counted.

        Args:
            limit: Requests a minute, which may have changed.
            now: Seconds of the same clock.
        """
        self._left = refilled(float(limit), self._left, now - self._at)
        self._at = now
        return allowance_of(limit, self._left)

    def take(self) -> None:
        """Count a request that was granted."""
        self._left -= 1.0


def narrower(one: Allowance | None, other: Allowance | None) -> Allowance | None:
    """Return which of two allowances a client has to heed; None if there is neither."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda each: (each.is_granted, each.remaining, -each.reset_s))


def duration_text(seconds: float) -> str:
    """Return a duration as the hosted API writes it in headers: `12ms`, `6.5s`, `1m30s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, _MINUTE_S)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{shown}s" if minutes else f"{shown}s"


def month_of(at: float) -> int:
    """Return the calendar month of a Unix second, in UTC, as a number such as 202611."""
    day = datetime.fromtimestamp(at, UTC)
    return day.year * 100 + day.month


def month_name(month: int) -> str:
    """Return a calendar month such as 202611 as people read it: `November 2026`."""
    return f"{date(month // 100, month % 100, 1):%B %Y}"
