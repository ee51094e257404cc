"""Attempts to log in: only so many may fail within a minute from one address, and fill the audit log."""

import time
from collections import deque

from evalhaven.domain.errors import LimitExceededError

_MOST_FAILED = 10
_WITHIN_S = 60.0
_MOST_AUDITED = 100
_MOST_ADDRESSES = 4096


class Attempts:
    """Counts failed attempts by the addresses they come from."""

    def __init__(self) -> None:
        self._failed: dict[str, list[float]] = {}
        self._audited: deque[float] = deque(maxlen=_MOST_AUDITED)

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

    def note_failed(self, address: str) -> bool:
        """Note that an attempt has failed, and tell whether the audit log takes it.

        It takes 10 a minute from one address and 100 from all of them, whoever may make them.
        """
        now = time.monotonic()
        if len(self._failed) >= _MOST_ADDRESSES:
            self._failed = {each: times for each in self._failed if (times := self._recent(each, now))}
            if len(self._failed) >= _MOST_ADDRESSES:
                self._failed.clear()
        failed = self._recent(address, now)
        if len(failed) >= _MOST_FAILED:
            return False
        self._failed[address] = [*failed, now]
        if len(self._audited) == _MOST_AUDITED and now - self._audited[0] < _WITHIN_S:
            return False
        self._audited.append(now)
        return True

    def _recent(self, address: str, now: float) -> list[float]:
        return [at for at in self._failed.get(address, []) if now - at < _WITHIN_S]
