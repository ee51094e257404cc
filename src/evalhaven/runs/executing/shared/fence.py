"""The fence of a worker: it may begin something only while no other worker can think that it is dead."""

import time
from collections.abc import Callable


class Fence:
    """Open for one lease after the last heartbeat that arrived was sent; once shut, it stays so until a new beginning.

    A worker may be stopped for any length of time between two of its instructions. So the time is read whenever
    something is to begin, and not by a timer, which would run late just then.
    """

    def __init__(self, lease_s: float, now: Callable[[], float] = time.monotonic) -> None:
        """Begin shut.

        Args:
            lease_s: After how many seconds of silence others think that a worker is dead.
            now: Tells the time, in seconds since any moment.
        """
        self.lease_s = lease_s
        self._now = now
        self._shuts_at = float("-inf")

    @property
    def is_open(self) -> bool:
        """Tell whether something may begin."""
        if self._now() < self._shuts_at:
            return True
        self.shut()
        return False

    def begin(self, sent_at: float) -> None:
        """Open for a worker that has just been registered.

        Args:
            sent_at: When the registration was sent.
        """
        self._shuts_at = sent_at + self.lease_s

    def extend(self, sent_at: float) -> None:
        """Note a heartbeat that arrived; it comes too late for a worker whose lease was over.

        Args:
            sent_at: When it was sent.
        """
        if self.is_open:
            self._shuts_at = max(self._shuts_at, sent_at + self.lease_s)

    def shut(self) -> None:
        """Let nothing begin any more."""
        self._shuts_at = float("-inf")
