"""How many bytes of large requests a run may hold at once."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio


class ByteAllowance:
    """Shares out bytes, first come, first served; a request for more than the total waits until it has them all."""

    def __init__(self, total: int) -> None:
        """Begin with all bytes free.

        Args:
            total: How many bytes there are.
        """
        self._total = total
        self._held = 0
        self._waiting: deque[tuple[int, anyio.Event]] = deque()

    @asynccontextmanager
    async def hold(self, count: int) -> AsyncGenerator[None]:
        """Hold this many bytes, as soon as they are free."""
        count = min(count, self._total)
        if self._waiting or self._held + count > self._total:
            turn = (count, anyio.Event())
            self._waiting.append(turn)
            try:
                await turn[1].wait()
            except BaseException:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    # The task was given its bytes and canceled at the same moment.
                    self._held -= count
                self._hand_out()
                raise
        else:
            self._held += count
        try:
            yield
        finally:
            self._held -= count
            self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._held + self._waiting[0][0] <= self._total:
            count, event = self._waiting.popleft()
            self._held += count
            event.set()
