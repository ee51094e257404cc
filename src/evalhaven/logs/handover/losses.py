"""The log line about calls that were not stored: at most one a minute, with how many there were since the last one."""

import time
from collections import Counter
from collections.abc import Callable

import structlog

_PAUSE_S = 60.0


class LossLog:
    """Tells operators of losses, however many there are, in few lines."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told_at: float | None = None
        self._untold = Counter[str]()
        self._log = structlog.get_logger("evalhaven.logs")

    def note(self, reason: str, count: int = 1) -> None:
        """Note losses, and tell of them unless there was a line within the last minute."""
        if count:
            self._untold[reason] += count
            self.tell()

    def tell(self) -> None:
        """Tell of the losses that no line has told of yet, if the last line is old enough."""
        now = self._now()
        if self._untold and (self._told_at is None or now - self._told_at >= _PAUSE_S):
            self._log.warning("logged_calls_lost", **self._untold)
            self._untold.clear()
            self._told_at = now
