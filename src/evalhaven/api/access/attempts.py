"""Attempts to log in: only so many may fail within a minute from one address."""

import time

from evalhaven.domain.errors import LimitExceededError

_MOST_FAILED = 10
_WITHIN_S = 60.0
_MOST_ADDRESSES = 4096


class Attempts:
    """Counts failed attempts by the addresses they come from."""

    def __init__(self) -> None:
        self._failed: dict[str, list[float]] = {}

    def refuse_if_many(self, address: str) -> None:
        """Refuse an attempt if too many from this address have failed.

        Raises:
            LimitExceededError: They have; it says when the next one is looked at.
        """
        now = time.monotonic()
        failed = self._recent(address, now)
        if len(failed) >= _MOST_FAILED:
            raise LimitExceededError(
                f"Too many attempts to log in have failed from this address: {_MOST_FAILED} within "
                f"{_WITHIN_S:.0f} seconds. Wait, and check the key.",
                code="too_many_attempts",
                wait_s=max(1.0, failed[0] + _WITHIN_S - now),
            )

    def note_failed(self, address: str) -> None:
        """Note that an attempt has failed."""
        now = time.monotonic()
        if len(self._failed) >= _MOST_ADDRESSES:
            self._failed = {each: times for each in self._failed if (times := self._recent(each, now))}
            if len(self._failed) >= _MOST_ADDRESSES:
                self._failed.clear()
        self._failed[address] = [*self._recent(address, now), now]

    def _recent(self, address: str, now: float) -> list[float]:
        return [at for at in self._failed.get(address, []) if now - at < _WITHIN_S]
