"""Requests a minute: counted for each key and project by this server, and told in headers as the hosted API does."""

import time
from collections.abc import Iterable, MutableMapping
from typing import Any

from evalhaven.access.limits import Allowance, RequestCounter, duration_text, narrower
from evalhaven.domain.errors import LimitExceededError

_STATE_KEY = "allowance"


class RequestCounters:
    """Counts the requests of keys and projects that have a limit."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, int], RequestCounter] = {}

    def count(self, state: MutableMapping[str, Any], limits: Iterable[tuple[str, int, int | None]]) -> None:
        """Count a request, and note in its state what is left; without a limit, nothing happens.

        Args:
            state: The request's.
            limits: Whose they are ("key" or "project"), by which number, and how many a minute.

        Raises:
            LimitExceededError: One of them is used up; then the request counts for none.
        """
        now = time.monotonic()
        left: Allowance | None = None
        asked: list[RequestCounter] = []
        for whose, number, limit in limits:
            if limit is None:
                continue
            counter = self._counters.get((whose, number))
            if counter is None:
                counter = self._counters[whose, number] = RequestCounter(limit, now)
            allowance = counter.ask(limit, now)
            asked.append(counter)
            state[_STATE_KEY] = left = narrower(left, allowance)
            if not allowance.is_granted:
                raise LimitExceededError(
                    f"Rate limit reached: this {whose} may make {limit} requests a minute. Try again in "
                    f"{duration_text(allowance.wait_s)}, or have the limit raised (`evalhaven limits`).",
                    code="rate_limit_exceeded",
                    wait_s=allowance.wait_s,
                )
        for counter in asked:
            counter.take()


def allowance_headers(state: MutableMapping[str, Any]) -> list[tuple[str, str]]:
    """Return the headers that tell what is left of a minute's requests; none where there is no limit."""
    allowance: Allowance | None = state.get(_STATE_KEY)
    if allowance is None:
        return []
    return [
        ("x-ratelimit-limit-requests", str(allowance.limit)),
        ("x-ratelimit-remaining-requests", str(allowance.remaining)),
        ("x-ratelimit-reset-requests", duration_text(allowance.reset_s)),
    ]
