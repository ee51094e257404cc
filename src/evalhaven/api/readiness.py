"""Whether work can be done now: what `/readyz` tells."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError

from evalhaven.domain.clock import Clock
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.runs.heartbeats import ExecutorState
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database
from evalhaven.storage.projects import check_project, try_to_write

_NEEDED_BYTES = 8 * 1024 * 1024  # a batch of items, and its log
_TRIED_AGAIN_S = 5.0
_FAILED_AGAIN_S = 1.0
_WAITED_FOR_S = 1.0  # whoever probes has a time limit, often of a second or two
_LONGEST_TRIAL_S = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What `/readyz` tells: a word for each part, and why those that are not ok are not."""

    database: str = "ok"
    disk: str = "ok"
    executor: str = "ok"
    reasons: list[str] = field(default_factory=list[str])


class Readiness:
    """Finds out whether the database answers and can be written, the disk has room and the executor is at work.

    Asked often, it costs a read each time and a write every few seconds; it writes nothing where nobody asks.
    """

    def __init__(
        self, database: Database, blobs: BlobStore, clock: Clock, executor_state: Callable[[], ExecutorState]
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._executor_state = executor_state
        self._wanted = anyio.Event()
        self._tried = anyio.Event()
        self._began_at: float | None = None
        self._ended_at = float("-inf")
        self._problem: str | None = None

    async def serve(self) -> None:
        """Try writes when somebody asks, until canceled."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            self._began_at = time.monotonic()
            self._problem = await self._find_write_problem()
            self._began_at, self._ended_at = None, time.monotonic()
            self._tried.set()
            self._tried = anyio.Event()

    async def examine(self) -> Finding:
        """Return whether work can be done now."""
        database = await self._find_read_problem() or await self._latest_write_problem()
        disk = await anyio.to_thread.run_sync(self._find_disk_problem)
        executor = self._executor_state()
        return Finding(
            database="unavailable" if database else "ok",
            disk="unavailable" if disk else "ok",
            executor=executor.name,
            reasons=[each for each in (database, disk, executor.reason) if each],
        )

    async def _find_read_problem(self) -> str | None:
        try:
            async with self._database.read() as tx:
                await check_project(tx, DEFAULT_PROJECT)
        except SQLAlchemyError as error:
            return f"The database cannot be read: {error.__cause__ or type(error).__name__}."
        return None

    async def _latest_write_problem(self) -> str | None:
        """Return why the last write failed; one is tried where the last is some seconds ago, and waited for a little.

        That somebody else holds the lock is no failure: writers wait for it, and a trial does, too.
        """
        again_s = _FAILED_AGAIN_S if self._problem else _TRIED_AGAIN_S
        if self._began_at is None and time.monotonic() - self._ended_at > again_s:
            self._wanted.set()
        if self._wanted.is_set() or self._began_at is not None:
            with anyio.move_on_after(_WAITED_FOR_S):
                await self._tried.wait()
        if self._began_at is not None and (waited_s := time.monotonic() - self._began_at) > _LONGEST_TRIAL_S:
            return f"The database has not taken a write for {waited_s:.0f} s."
        return self._problem

    async def _find_write_problem(self) -> str | None:
        try:
            async with self._database.write() as tx:
                await try_to_write(tx, DEFAULT_PROJECT, int(self._clock.now()))
        except SQLAlchemyError as error:
            return f"The database cannot be written: {error.__cause__ or type(error).__name__}."
        return None

    def _find_disk_problem(self) -> str | None:
        try:
            return self._blobs.find_problem(_NEEDED_BYTES)
        except OSError as error:
            return f"{self._blobs.directory} cannot be used: {error.strerror}."
