"""How long to wait before a call is repeated."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that grow and are never the same twice; an endpoint that names a pause gets it.

    Attributes:
        attempts: How often a call is made at most.
        first_s: The first pause, about.
        longest_s: The longest pause that is made, about.
        longest_asked_s: The longest pause that an endpoint may ask for; above it the call is given up.
    """

    attempts: int = 7
    first_s: float = 0.5
    longest_s: float = 20.0
    longest_asked_s: float = 120.0

    def pause_s(self, attempt: int, headers: Mapping[str, str] | None = None) -> float | None:
        """Return the pause after an attempt; None: it was the last one.

        Args:
            attempt: Its number, from 1.
            headers: What the endpoint answered, if it did; its Retry-After counts.
        """
        if attempt >= self.attempts:
            return None
        asked_s = None if headers is None else _asked_s(headers)
        grown_s = min(self.longest_s, self.first_s * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        if asked_s is None:
            return grown_s
        return max(asked_s, self.first_s) if asked_s <= self.longest_asked_s else None


def _asked_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that Retry-After names, as a number or a date."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
