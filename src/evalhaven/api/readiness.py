"""Whether the server can work now: what `/readyz` answers."""

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
_WAITED_FOR_S = 1.0  # probes have a time limit, often of a second or two
_LONGEST_TRIAL_S = 10.0
_LONGEST_READ_S = 3.0


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The state of a process that the server keeps alive.

    Attributes:
        name: The state in one word.
        reason: Why it does no work now; "" if it does.
    """

    name: Literal["ok", "starting", "down", "not_responding", "crash_looping", "paused"]
    reason: str = ""

    @property
    def is_up(self) -> bool:
        """Tell whether the process is up and answers, or soon will."""
        return self.name not in ("down", "not_responding")


@dataclass(frozen=True, slots=True)
class Finding:
    """What `/readyz` answers: a word for each part, and why a part is not ok."""

    database: str = "ok"
    disk: str = "ok"
    executor: str = "ok"
    reasons: list[str] = field(default_factory=list[str])


class _Trial:
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

    async def try_after(self, pause_s: float) -> None:
        """Have it tried if the last attempt is that old, and wait briefly for the result."""
        if self._began_at is None and time.monotonic() - self._ended_at >= pause_s:
            self._wanted.set()
        if self._wanted.is_set() or self._began_at is not None:
            with anyio.move_on_after(_WAITED_FOR_S):
                await self._tried.wait()


class Readiness:
    """Finds out whether the database answers and can be written, the disk has room, and the executor works.

    Each question costs a read, and frequent ones a write every few seconds; nothing is written if nobody asks.
    """

    def __init__(
        self, database: Database, blobs: BlobStore, clock: Clock, executor_state: Callable[[], ProcessState]
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._executor_state = executor_state
        self._reads = _Trial(self._find_read_problem)
        self._writes = _Trial(self._find_write_problem)

    async def serve(self) -> None:
        """Try reads and writes on request, until canceled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._reads.serve)
            tasks.start_soon(self._writes.serve)

    async def examine(self) -> Finding:
        """Return whether the server can work now."""
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
        """Return why the last read failed; each call tries one."""
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
        """Return why the last write failed; if it is some seconds old, try another and wait for it briefly.

        A lock held by another writer is no failure: writers wait for it, and so does this attempt.
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
