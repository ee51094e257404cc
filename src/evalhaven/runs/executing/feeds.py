"""Where the chunks of a run come from: the database itself, if one process executes them all."""

from typing import Protocol

from evalhaven.domain.runs import Chunk, Run
from evalhaven.runs.engine import Engine
from evalhaven.storage.chunks import list_pending_chunks

CHUNKS_AT_A_TIME = 64


class ChunkFeed(Protocol):
    """Chunks of one run for one process."""

    async def next_chunks(self) -> list[Chunk]:
        """Return the next chunks, waiting for them; none: there will be no more."""
        ...

    def finish(self, chunk: Chunk) -> None:
        """Note that a chunk is done, or was given up."""
        ...

    def close(self) -> None:
        """Pass on no more: whoever waits for chunks gets none."""
        ...


class PendingChunks:
    """All chunks that are not done, in order."""

    def __init__(self, engine: Engine, run: Run) -> None:
        self._engine = engine
        self._run = run
        self._last = -1

    async def next_chunks(self) -> list[Chunk]:
        """Return the next chunks; none: there are no more."""
        chunks = await self._engine.patience.persist(self._list_next)
        if chunks:
            self._last = chunks[-1].number
        return chunks

    def finish(self, chunk: Chunk) -> None:
        """Do nothing: what is done is in the database."""

    def close(self) -> None:
        """Do nothing: nobody waits for chunks that may never come."""

    async def _list_next(self) -> list[Chunk]:
        place = (self._run.scope, self._run.key)
        return await self._engine.database.fetch(
            lambda tx: list_pending_chunks(tx, *place, above=self._last, limit=CHUNKS_AT_A_TIME)
        )
