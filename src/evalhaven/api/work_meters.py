"""What a server's board shows of the database: the work that is left in it, its workers, and its size."""

import time

from sqlalchemy.exc import SQLAlchemyError

from evalhaven.api.trials import Trial
from evalhaven.domain.clock import Clock
from evalhaven.meters.board import Board, Reading
from evalhaven.meters.declared import (
    CHUNKS_PENDING,
    DATABASE_BYTES,
    DATABASE_UP,
    JOBS,
    OLDEST_WAIT_SECONDS,
    RUNS_ACTIVE,
    WORKERS,
)
from evalhaven.reports.work_overviews import WorkOverview, measure_database, read_work
from evalhaven.storage.database import Database
from evalhaven.storage.reading import ReadTransaction

_READ_AGAIN_S = 1.0
_WAITED_FOR_S = 0.25
_SIZE_READ_AGAIN_S = 60.0


class WorkMeters:
    """Reads these numbers when somebody asks for metrics; a database that hangs delays nobody for long."""

    def __init__(self, database: Database, clock: Clock, board: Board, lease_s: float) -> None:
        """Read nothing yet.

        Args:
            database: What is read.
            clock: Tells how long runs have waited.
            board: Shows what was read.
            lease_s: After how many seconds of silence a worker counts as dead.
        """
        self._database = database
        self._clock = clock
        self._is_sqlite = database.url.get_backend_name() == "sqlite"
        self._lease_s = None if self._is_sqlite else lease_s
        self._work: WorkOverview | None = None
        self._size_bytes: int | None = None
        self._size_read_at = float("-inf")
        self._is_up: bool | None = None
        self._reads = Trial(self._read)
        board.read_from(self._show)

    async def serve(self) -> None:
        """Read on request, until canceled."""
        await self._reads.serve()

    async def refresh(self) -> None:
        """Have the numbers read again if they are a second old, and wait for them, but not for long."""
        await self._reads.try_after(_READ_AGAIN_S, _WAITED_FOR_S)
        if self._reads.under_way_s > _WAITED_FOR_S:
            self._is_up = False

    async def _read(self) -> None:
        try:
            await self._database.fetch(self._read_in)
            self._is_up = True
        except (SQLAlchemyError, OSError):
            self._is_up = False

    async def _read_in(self, tx: ReadTransaction) -> None:
        self._work = await read_work(tx, self._lease_s)
        if time.monotonic() - self._size_read_at >= _SIZE_READ_AGAIN_S:
            self._size_bytes = await measure_database(tx, is_sqlite=self._is_sqlite)
            self._size_read_at = time.monotonic()

    def _show(self) -> Reading:
        if self._is_up is None:
            return
        yield DATABASE_UP, (), float(self._is_up)
        if self._size_bytes is not None:
            yield DATABASE_BYTES, (), self._size_bytes
        if self._work is None:
            return
        left = self._work.left
        yield RUNS_ACTIVE, ("queued",), left.queued
        yield RUNS_ACTIVE, ("in_progress",), left.in_progress
        yield CHUNKS_PENDING, (), left.chunks
        waited_s = 0.0 if left.queued_since is None else max(0.0, self._clock.now() - left.queued_since)
        yield OLDEST_WAIT_SECONDS, (), round(waited_s, 1)
        if self._work.jobs is not None:
            waiting, under_way = self._work.jobs
            yield JOBS, ("waiting",), waiting
            yield JOBS, ("under_way",), under_way
            for state in ("live", "silent"):
                yield WORKERS, (state,), self._work.workers.get(state, 0)
