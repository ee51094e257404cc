"""How long to wait before a call is repeated, and for how long it is repeated at all."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from evalhaven.domain.http_dates import find_http_time


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that grow and are never the same twice; if an endpoint names a pause, that is used.

    Attributes:
        attempts: Most attempts of a call.
        first_s: The approximate first pause.
        longest_s: The approximate longest pause.
        longest_asked_s: The longest pause that an endpoint may ask for; if it asks for more, the call is given up.
        retry_for_s: Seconds that a call's repetitions may take, pauses included.
    """

    attempts: int = 7
    first_s: float = 0.5
    longest_s: float = 20.0
    longest_asked_s: float = 120.0
    retry_for_s: float = float("inf")

    def pause_s(self, attempt: int, asked_s: float | None = None, spent_s: float = 0.0) -> float | None:
        """Return the pause after an attempt; None if it was the last one.

        Args:
            attempt: Its number, from 1.
            asked_s: Seconds that the endpoint asks to wait, if it does.
            spent_s: Seconds that repetitions and pauses have taken so far.
        """
        if attempt >= self.attempts:
            return None
        if asked_s is None:
            grown_s = min(self.longest_s, self.first_s * 2 ** min(attempt - 1, 30))
            pause_s = grown_s * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        elif asked_s <= self.longest_asked_s:
            pause_s = max(asked_s, self.first_s)
        else:
            return None
        return pause_s if spent_s + pause_s <= self.retry_for_s else None


def find_asked_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an endpoint asks to wait: retry-after-ms, or Retry-After as a number or a date.

    Args:
        headers: Of its answer, names in lower case.
    """
    exact = _find_number(headers.get("retry-after-ms", ""))
    if exact is not None:
        return exact / 1000
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    seconds = _find_number(value)
    if seconds is not None:
        return seconds
    at = find_http_time(value)
    return None if at is None else max(0.0, at - time.time())


def _find_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
