"""What one of several processes may spend on a run before it has to hear of the others."""

import time
from collections.abc import Callable

import anyio


class Purse:
    """Lent by amounts for a moment; calls are begun while something is left, so only those under way exceed it.

    Attributes:
        waiting: How many calls wait for it to be filled.
        was_used: Whether anything was spent since it was filled.
    """

    def __init__(self, limits: frozenset[str], on_empty: Callable[[], None]) -> None:
        """Begin empty.

        Args:
            limits: Names of what is limited.
            on_empty: Called when a call waits.
        """
        self.waiting = 0
        self.was_used = False
        self._left = dict.fromkeys(limits, 0.0)
        self._until = float("-inf")
        self._on_empty = on_empty
        self._was_filled = anyio.Event()

    @property
    def is_open(self) -> bool:
        """Tell whether another call may be begun."""
        return time.monotonic() < self._until and min(self._left.values()) > 0

    def spend(self, limit: str, amount: float) -> None:
        """Take out what a call cost."""
        if limit in self._left and amount:
            self._left[limit] -= amount
            self.was_used = True

    def fill(self, limit: str, amount: float, until: float) -> None:
        """Put an amount in, instead of what is left.

        Args:
            limit: Of what.
            amount: How much.
            until: When that ends, by `time.monotonic`.
        """
        self._left[limit] = amount
        self._until = until
        if self.is_open:
            filled, self._was_filled = self._was_filled, anyio.Event()
            filled.set()

    def shrink(self, limit: str, amount: float) -> None:
        """Leave no more than an amount in."""
        self._left[limit] = min(self._left[limit], amount)

    async def wait(self) -> None:
        """Return when another call may be begun."""
        self.waiting += 1
        try:
            while not self.is_open:
                self._on_empty()
                await self._was_filled.wait()
        finally:
            self.waiting -= 1
