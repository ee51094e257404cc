"""Trials: what is tried because somebody asks, in the background, so that nobody hangs with it."""

import time
from collections.abc import Awaitable, Callable

import anyio


class Trial:
    """Something that is tried on request; if it hangs, those who ask do not."""

    def __init__(self, attempt: Callable[[], Awaitable[str | None]]) -> None:
        """Try nothing yet.

        Args:
            attempt: Returns what is wrong.
        """
        self._attempt = attempt
        self._wanted = anyio.Event()
        self._tried = anyio.Event()
        self._began_at: float | None = None
        self._ended_at = float("-inf")
        self.problem: str | None = None

    @property
    def under_way_s(self) -> float:
        """Return for how many seconds an attempt has been under way; 0 if none is."""
        return 0.0 if self._began_at is None else time.monotonic() - self._began_at

    async def serve(self) -> None:
        """Try on request, until canceled."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            self._began_at = time.monotonic()
            self.problem = await self._attempt()
            self._began_at, self._ended_at = None, time.monotonic()
            self._tried.set()
            self._tried = anyio.Event()

    async def try_after(self, pause_s: float, waited_for_s: float) -> None:
        """Have it tried if the last attempt is that old, and wait for the result for so long."""
        if self._began_at is None and time.monotonic() - self._ended_at >= pause_s:
            self._wanted.set()
        if self._wanted.is_set() or self._began_at is not None:
            with anyio.move_on_after(waited_for_s):
                await self._tried.wait()
