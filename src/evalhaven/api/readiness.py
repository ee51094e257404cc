"""Whether work can be done now: what `/readyz` tells."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import anyio
import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError

from evalhaven.domain.clock import Clock
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database
from evalhaven.storage.projects import check_project, try_to_write

_NEEDED_BYTES = 8 * 1024 * 1024  # a batch of items, and its log
_TRIED_AGAIN_S = 5.0
_FAILED_AGAIN_S = 1.0
_WAITED_FOR_S = 1.0  # whoever probes has a time limit, often of a second or two
_LONGEST_TRIAL_S = 10.0
_LONGEST_READ_S = 3.0


@dataclass(frozen=True, slots=True)
class ExecutorState:
    """How the executor is.

    Attributes:
        name: In one word.
        reason: Why it does no work just now; "" where it does.
    """

    name: Literal["ok", "starting", "down", "not_responding", "crash_looping", "paused"]
    reason: str = ""

    @property
    def is_up(self) -> bool:
        """Tell whether the process is there and answers, or will in a moment."""
        return self.name not in ("down", "not_responding")


@dataclass(frozen=True, slots=True)
class Finding:
    """What `/readyz` tells: a word for each part, and why those that are not ok are not."""

    database: str = "ok"
    disk: str = "ok"
    executor: str = "ok"
    reasons: list[str] = field(default_factory=list[str])


class _Trial:
    """Something that is tried where somebody asks; it may hang, which those who ask do not."""

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
        """Return for how many seconds it has been under way by now; 0: it is not."""
        return 0.0 if self._began_at is None else time.monotonic() - self._began_at

    async def serve(self) -> None:
        """Try when somebody asks, until canceled."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            self._began_at = time.monotonic()
            self.problem = await self._attempt()
            self._began_at, self._ended_at = None, time.monotonic()
            self._tried.set()
            self._tried = anyio.Event()

    async def try_after(self, pause_s: float) -> None:
        """Have it tried where the last time is so long ago, and wait for that a little."""
        if self._began_at is None and time.monotonic() - self._ended_at >= pause_s:
            self._wanted.set()
        if self._wanted.is_set() or self._began_at is not None:
            with anyio.move_on_after(_WAITED_FOR_S):
                await self._tried.wait()


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
        self._reads = _Trial(self._find_read_problem)
        self._writes = _Trial(self._find_write_problem)

    async def serve(self) -> None:
        """Try reads and writes when somebody asks, until canceled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._reads.serve)
            tasks.start_soon(self._writes.serve)

    async def examine(self) -> Finding:
        """Return whether work can be done now."""
        database = await self._latest_read_problem() or await self._latest_write_problem()
        disk = await anyio.to_thread.run_sync(self._find_disk_problem)
        executor = self._executor_state()
        return Finding(
            database="unavailable" if database else "ok",
            disk="unavailable" if disk else "ok",
            executor=executor.name,
            reasons=[each for each in (database, disk, executor.reason) if each],
        )

    async def _latest_read_problem(self) -> str | None:
        """Return why the last read failed; one is tried each time."""
        await self._reads.try_after(0.0)
        if (waited_s := self._reads.under_way_s) > _LONGEST_READ_S:
            return f"The database has not answered a read for {waited_s:.0f} s."
        return self._reads.problem

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
        await self._writes.try_after(_FAILED_AGAIN_S if self._writes.problem else _TRIED_AGAIN_S)
        if (waited_s := self._writes.under_way_s) > _LONGEST_TRIAL_S:
            return f"The database has not taken a write for {waited_s:.0f} s."
        return self._writes.problem

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
            return f"{self._blobs.place} cannot be used: {error.strerror}."
