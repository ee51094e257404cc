"""The one source of time."""

import time


class Clock:
    """Wall-clock time; tests hand in a subclass."""

    def now(self) -> float:
        """Return the time in Unix seconds (UTC), with fractions."""
        return time.time()
