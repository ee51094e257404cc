"""Places for the calls of one run: how many of them may be under way at once."""

import asyncio
import time
from collections import OrderedDict


class Slots:
    """Taken in the order of arrival; a place is never lost. All methods belong to one event loop.

    Attributes:
        total: How many there are; places in use stay, even if they are more.
        in_use: How many are taken.
    """

    __slots__ = ("_loop", "_queue", "_until", "in_use", "total")

    def __init__(self, total: int, until: float = float("inf")) -> None:
        """Begin with all of them free.

        Args:
            total: How many there are.
            until: When there are none any more, by `time.monotonic`.
        """
        self.total = total
        self.in_use = 0
        self._until = until
        self._loop = asyncio.get_running_loop()
        self._queue: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Return how many wait for a place."""
        return len(self._queue)

    @property
    def is_open(self) -> bool:
        """Tell whether a place that is taken may still be used."""
        # A process may have stood still since it was taken.
        return self._until == float("inf") or time.monotonic() < self._until

    def lend(self, total: int, until: float) -> None:
        """Let so many be taken, until some moment of `time.monotonic`."""
        self.total, self._until = total, until
        self._serve_queue()

    def shrink(self, total: int) -> None:
        """Let no more than so many be taken."""
        self.total = min(self.total, total)

    async def acquire(self) -> None:
        """Wait for a place."""
        if not self._queue and self.in_use < self.total and self.is_open:
            self.in_use += 1
            return
        place = self._loop.create_future()
        self._queue[place] = None
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():
                self.release()
            else:
                self._queue.pop(place, None)
            raise

    def release(self) -> None:
        """Give a place back."""
        self.in_use -= 1
        self._serve_queue()

    def _serve_queue(self) -> None:
        while self._queue and self.in_use < self.total and self.is_open:
            place, _ = self._queue.popitem(last=False)
            if not place.done():
                self.in_use += 1
                place.set_result(None)
