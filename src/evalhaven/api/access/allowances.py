"""Requests a minute: counted for each key and project, and told in headers as the hosted API does."""

import time
from collections.abc import Mapping, MutableMapping
from typing import Any

from evalhaven.access.limits import Allowance, RequestCounter, allowance_of, duration_text, narrower
from evalhaven.domain.errors import LimitExceededError
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.request_counts import WHOLE_PROJECT, delete_idle_counts, take_request
from evalhaven.storage.database import Database

_PURGED_AGAIN_S = 3600
_STATE_KEY = "allowance"


class RequestCounters:
    """Counts the requests of keys and projects that have a limit.

    Servers that share a PostgreSQL database count there, together. With SQLite there is one server, and it counts in
    memory.
    """

    def __init__(self, database: Database) -> None:
        """Count nothing yet.

        Args:
            database: That of the keys.
        """
        self._database = database
        self._counters: dict[tuple[int, int], RequestCounter] = {}
        self._purged_at = time.monotonic()

    async def count(self, state: MutableMapping[str, Any], scope: ProjectScope, limits: Mapping[int, int]) -> None:
        """Count a request, and note in its state what is left.

        Args:
            state: The request's.
            scope: Its project.
            limits: How many requests a minute, by the row of the key; `WHOLE_PROJECT` for the project itself.

        Raises:
            LimitExceededError: One of them is used up; then the request counts for none.
        """
        if self._database.is_shared:
            available = await self._database.count(lambda tx: take_request(tx, scope, limits))
            allowances = {row: allowance_of(limit, available[row]) for row, limit in limits.items()}
        else:
            allowances = self._take(scope, limits)
        for row, allowance in allowances.items():
            state[_STATE_KEY] = narrower(state.get(_STATE_KEY), allowance)
            if not allowance.is_granted:
                whose = "project" if row == WHOLE_PROJECT else "key"
                raise LimitExceededError(
                    f"Rate limit reached: this {whose} may make {allowance.limit} requests a minute. Try again in "
                    f"{duration_text(allowance.wait_s)}, or have the limit raised (`evalhaven limits`).",
                    code="rate_limit_exceeded",
                    wait_s=allowance.wait_s,
                )

    async def purge(self, scope: OrganizationScope) -> None:
        """Remove what nobody has counted on for long, if the last time is long ago."""
        now = time.monotonic()
        if self._database.is_shared and now - self._purged_at >= _PURGED_AGAIN_S:
            self._purged_at = now
            await self._database.count(lambda tx: delete_idle_counts(tx, scope))

    def _take(self, scope: ProjectScope, limits: Mapping[int, int]) -> dict[int, Allowance]:
        """Count a request in memory, if all its limits grant it, and return what they say."""
        now = time.monotonic()
        asked: list[RequestCounter] = []
        allowances: dict[int, Allowance] = {}
        for row, limit in limits.items():
            counter = self._counters.get((scope.project_id, row))
            if counter is None:
                counter = self._counters[scope.project_id, row] = RequestCounter(limit, now)
            allowances[row] = counter.ask(limit, now)
            asked.append(counter)
        if all(each.is_granted for each in allowances.values()):
            for counter in asked:
                counter.take()
        return allowances


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
