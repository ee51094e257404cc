"""What a project or key may use: requests a minute, runs at once, stored bytes, dollars of a run and of a month."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
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
        month_cost: US dollars of the calls of all runs that were created in one calendar month (UTC), above 0.
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


def cost_ceiling(limits: Limits, month_spent: float, now: float, run_spent: float = 0.0) -> float | None:
    """Return the US dollars that the calls of a run may come to; None without a limit.

    Args:
        limits: What its project may use.
        month_spent: US dollars of the project's runs in this month.
        now: Unix second, which says which month it is.
        run_spent: US dollars of them that the run has cost already.

    Raises:
        LimitExceededError: The month's limit is used up.
    """
    ceilings = [] if limits.run_cost is None else [limits.run_cost]
    if limits.month_cost is not None:
        left = limits.month_cost - month_spent
        if left <= 0:
            raise LimitExceededError(
                f"The project's runs have cost ${month_spent:,.2f} in {month_name(now)}, and may cost "
                f"${limits.month_cost:,.2f} a month. Runs that call no model still work; for others wait for the next "
                "month, or have the limit raised (`evalhaven limits`).",
                code="insufficient_quota",
            )
        ceilings.append(run_spent + left)
    return min(ceilings, default=None)


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


def month_start(at: float) -> int:
    """Return the Unix second at which the calendar month of a moment begins, in UTC."""
    day = datetime.fromtimestamp(at, UTC)
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())


def month_name(at: float) -> str:
    """Return the calendar month of a moment as people read it, such as `November 2026`."""
    return f"{datetime.fromtimestamp(at, UTC):%B %Y}"
