"""How much of one run is under way at once."""

import anyio

from evalhaven.domain.runs import Chunk


class ChunkWindow:
    """Lets chunks of a run begin while few enough of its rows and bytes are under way.

    What is finished of a chunk makes room at once: a few rows that are asked again and again must not keep the next
    chunk from beginning.
    """

    def __init__(self, max_chunks: int, max_rows: int, max_bytes: int) -> None:
        """Begin with nothing under way.

        Args:
            max_chunks: Most chunks at once.
            max_rows: Rows under way above which no further chunk begins.
            max_bytes: Bytes of rows under way above which no further chunk begins.
        """
        self._max_chunks = max_chunks
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._unfinished: dict[int, float] = {}  # rows of each chunk
        self._bytes_a_row: dict[int, float] = {}
        self._changed = anyio.Event()

    async def enter(self, chunk: Chunk) -> None:
        """Wait until a chunk may begin."""
        while not self._has_room:
            self._changed = anyio.Event()
            await self._changed.wait()
        self._unfinished[chunk.number] = chunk.row_count
        self._bytes_a_row[chunk.number] = chunk.size_bytes / max(1, chunk.row_count)

    def finish(self, chunk: Chunk, rows: float = 1) -> None:
        """Make room for what follows: rows of a chunk are finished.

        Args:
            chunk: One that is under way.
            rows: How many; with repeats each is finished in parts.
        """
        self._unfinished[chunk.number] -= rows
        self._changed.set()

    def leave(self, chunk: Chunk) -> None:
        """Make room for the next chunk: one ended."""
        del self._unfinished[chunk.number], self._bytes_a_row[chunk.number]
        self._changed.set()

    @property
    def _has_room(self) -> bool:
        size_bytes = sum(rows * self._bytes_a_row[number] for number, rows in self._unfinished.items())
        return (
            len(self._unfinished) < self._max_chunks
            and sum(self._unfinished.values()) < self._max_rows
            and size_bytes < self._max_bytes
        )
