"""The seam: what a run needs from the source of its rows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from evalhaven.domain.evals import Caution
from evalhaven.domain.runs import Chunk
from evalhaven.domain.schemas import ItemSchema
from evalhaven.runs.rows.parsing import Row

CHUNK_ROWS = 500
CHUNK_BYTES = 8 * 1024 * 1024

Key = tuple[int, int]
"""Position and number of the repetition."""


class PendingRow(Protocol):
    """A row that is to be evaluated, read when its turn comes."""

    @property
    def position(self) -> int:
        """Return its 0-based position in its source."""
        ...

    @property
    def repeat(self) -> int:
        """Return the 0-based number of the repetition."""
        ...

    async def read(self) -> Row:
        """Return the row; called once."""
        ...


PendingRows = Iterator[PendingRow]
"""Rows in the order of their positions; several tasks may take rows from it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The rows of a run cut into chunks.

    Attributes:
        chunks: In the order of their positions.
        cautions: What the user has to be told of the rows.
    """

    chunks: Sequence[Chunk]
    cautions: Sequence[Caution] = ()


class RowSource(Protocol):
    """Where the rows of a run come from."""

    async def cut(self, schema: ItemSchema, is_stopped: Callable[[], bool], /) -> Cut:
        """Return the rows cut into chunks, checked unless that was done on creation.

        A chunk has at most `CHUNK_ROWS` rows and, unless one row is longer, `CHUNK_BYTES` bytes. A few numbers for each
        chunk are all that is kept in memory.

        Args:
            schema: The schema that items must satisfy.
            is_stopped: Tells whether the run was canceled or deleted.

        Raises:
            DamagedFileError: A file's length has changed since it was accepted.
            InvalidRowsError: There are no rows, or some cannot be used: up to ten are named.
            RunStoppedError: The run was canceled or deleted meanwhile.
        """
        ...

    def open_rows(self, chunk: Chunk, stored: Collection[Key]) -> AbstractAsyncContextManager[PendingRows]:
        """Open the rows of a chunk that have no output item yet, each once for every repetition that is missing.

        Args:
            chunk: One of the run's chunks.
            stored: The keys that have an output item.

        Raises:
            DamagedFileError: The file ends too early, or its length has changed since it was accepted.
            RowError: The rows are not those that were planned.
        """
        ...
