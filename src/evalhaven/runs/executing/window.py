"""How much of one run is under way at once."""

from collections.abc import Callable

import anyio

from evalhaven.domain.runs import Chunk


class ChunkWindow:
    """Lets chunks of a run begin while few enough of its rows and bytes are under way.

    Finished rows of a chunk make room at once: a few rows that are retried again and again must not keep the next
    chunk from beginning.
    """

    def __init__(self, max_chunks: int, max_rows: int, max_bytes: int) -> None:
        """Begin with nothing under way.

        Args:
            max_chunks: The most chunks at once.
            max_rows: Rows under way above which no further chunk begins.
            max_bytes: Bytes of rows under way above which no further chunk begins.
        """
        self._max_chunks = max_chunks
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._unfinished: dict[int, float] = {}  # rows of each chunk
        self._bytes_a_row: dict[int, float] = {}
        # Totals over all chunks, kept because they are needed for every item.
        self._rows = self._bytes = 0.0
        self._has_room = anyio.Event()
        self.on_room: Callable[[], None] | None = None  # called when the window was full and is not any more
        self._was_full = False

    async def enter(self, chunk: Chunk) -> None:
        """Wait until a chunk may begin."""
        while self.is_full:
            self._has_room = anyio.Event()
            await self._has_room.wait()
        self._unfinished[chunk.number] = 0.0
        self._bytes_a_row[chunk.number] = chunk.size_bytes / max(1, chunk.row_count)
        self._add_rows(chunk.number, chunk.row_count)
        self._was_full = self.is_full

    def finish(self, chunk: Chunk, rows: float = 1) -> None:
        """Make room for the next chunk as rows of one are finished.

        Args:
            chunk: One that is under way.
            rows: How many; with repeats, each row is finished in parts.
        """
        self._add_rows(chunk.number, -rows)
        self._tell()

    def leave(self, chunk: Chunk) -> None:
        """Make room for the next chunk, as one has ended."""
        self._add_rows(chunk.number, -self._unfinished[chunk.number])
        del self._unfinished[chunk.number], self._bytes_a_row[chunk.number]
        if not self._unfinished:
            self._rows = self._bytes = 0.0  # sums of fractions are not exact
        self._tell()

    def _add_rows(self, number: int, rows: float) -> None:
        self._unfinished[number] += rows
        self._rows += rows
        self._bytes += rows * self._bytes_a_row[number]

    def _tell(self) -> None:
        if not self._was_full or self.is_full:
            return
        self._was_full = False
        self._has_room.set()
        if self.on_room is not None:
            self.on_room()

    @property
    def is_full(self) -> bool:
        """Tell whether no further chunk may begin now."""
        return (
            len(self._unfinished) >= self._max_chunks or self._rows >= self._max_rows or self._bytes >= self._max_bytes
        )
