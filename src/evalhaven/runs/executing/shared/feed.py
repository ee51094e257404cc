"""Chunks of one run that this worker has claimed."""

from collections.abc import Callable

import anyio

from evalhaven.domain.runs import Chunk


class ClaimedChunks:
    """Passes claimed chunks on, and tells when each of them has ended."""

    def __init__(self, on_room: Callable[[], None]) -> None:
        """Begin with none.

        Args:
            on_room: Called when all that were claimed have begun.
        """
        self._on_room = on_room
        self._waiting: list[Chunk] = []
        self._ended: dict[int, anyio.Event] = {}
        self._has_come = anyio.Event()
        self._is_closed = False
        self.idle_since = anyio.current_time()

    @property
    def count(self) -> int:
        """Return how many chunks were claimed and have not ended."""
        return len(self._ended)

    @property
    def waiting(self) -> int:
        """Return how many chunks have not begun."""
        return len(self._waiting)

    async def execute(self, chunk: Chunk) -> None:
        """Pass a chunk on and return once it has ended, or will not be executed here."""
        if self._is_closed or chunk.number in self._ended:
            return
        ended = self._ended[chunk.number] = anyio.Event()
        self._waiting.append(chunk)
        self._has_come.set()
        await ended.wait()

    async def next_chunks(self) -> list[Chunk]:
        """Return the chunks claimed since, waiting for some; none: there will be no more."""
        while not self._waiting and not self._is_closed:
            self._has_come = anyio.Event()
            self._on_room()
            await self._has_come.wait()
        if self._is_closed:
            return []
        chunks, self._waiting = self._waiting, []
        return chunks

    def finish(self, chunk: Chunk) -> None:
        """Note that a chunk has ended."""
        ended = self._ended.pop(chunk.number, None)
        if ended is not None:
            ended.set()
        self.idle_since = anyio.current_time()

    def close(self) -> None:
        """Pass on no more; those that have not begun end."""
        self._is_closed = True
        self._has_come.set()
        for chunk in self._waiting:
            self.finish(chunk)
        self._waiting = []

    def abandon(self) -> None:
        """End all: nobody executes them here any more."""
        self.close()
        for ended in self._ended.values():
            ended.set()
        self._ended.clear()
