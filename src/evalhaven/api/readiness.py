"""Whether the server can work now: what `/readyz` answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import anyio
import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError

from evalhaven.api.trials import Trial
from evalhaven.domain.clock import Clock
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.reports.worker_overviews import Watcher, read_wait
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database
from evalhaven.storage.projects import check_projects, try_to_write


@dataclass(frozen=True, slots=True)
class ReadinessLimits:
    """From when on something counts as a problem, and how often that is found out.

    Attributes:
        needed_bytes: Room on the disk: for a batch of items, and its log.
        tried_again_s: After how long a write is tried again.
        failed_again_s: After how long a write that failed is.
        waited_for_s: How long a probe waits; probes have a time limit, often of a second or two.
        longest_write_s: How long a write may be under way.
        longest_read_s: How long a read may be.
    """

    needed_bytes: int = 8 * 1024 * 1024
    tried_again_s: float = 5.0
    failed_again_s: float = 1.0
    waited_for_s: float = 1.0
    longest_write_s: float = 10.0
    longest_read_s: float = 3.0


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The state of a process that the server keeps alive.

    Attributes:
        name: The state in one word.
        reason: Why it does no work now; "" if it does.
    """

    name: Literal["ok", "elsewhere", "starting", "down", "not_responding", "crash_looping", "paused"]
    reason: str = ""

    @property
    def is_up(self) -> bool:
        """Tell whether the process is up and answers, or soon will."""
        return self.name not in ("down", "not_responding")


@dataclass(frozen=True, slots=True)
class Finding:
    """What `/readyz` answers: a word for each part, why a part is not ok, and what is worth knowing beside."""

    database: str = "ok"
    disk: str = "ok"
    executor: str = "ok"
    reasons: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])


class Readiness:
    """Finds out whether the database answers and can be written, the disk has room, and the executor works.

    Each question costs a read, and frequent ones a write every few seconds; nothing is written if nobody asks.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        executor_state: Callable[[], ProcessState],
        watcher: Callable[[], Watcher] | None = None,
    ) -> None:
        """Find out nothing yet.

        Args:
            database: Where requests read and write.
            blobs: Where files are.
            clock: Tells the time.
            executor_state: Tells the state of this server's executor.
            watcher: Tells who looks at workers; None if others execute no runs of this server.
        """
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._executor_state = executor_state
        self._watcher = watcher
        self._wait = ""
        self.limits = ReadinessLimits()
        self._reads = Trial(self._find_read_problem)
        self._writes = Trial(self._find_write_problem)

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
            # It mends itself when a worker comes, and until then requests are served: no reason to send them elsewhere.
            notes=[self._wait] if self._wait else [],
        )

    async def _latest_read_problem(self) -> str | None:
        """Return why the last read failed; each call tries one."""
        await self._reads.try_after(0.0, self.limits.waited_for_s)
        if (waited_s := self._reads.under_way_s) > self.limits.longest_read_s:
            return f"The database has not answered a read for {waited_s:.0f} s."
        return self._reads.problem

    async def _find_read_problem(self) -> str | None:
        try:
            async with self._database.read() as tx:
                await check_projects(tx, OrganizationScope())
                if self._watcher is not None:
                    now = int(self._clock.now())
                    self._wait = await read_wait(tx, self._watcher(), now)
        except SQLAlchemyError as error:
            return f"The database cannot be read: {error.__cause__ or type(error).__name__}."
        return None

    async def _latest_write_problem(self) -> str | None:
        """Return why the last write failed; if it is some seconds old, try another and wait for it briefly.

        A lock held by another writer is no failure: writers wait for it, and so does this attempt.
        """
        pause_s = self.limits.failed_again_s if self._writes.problem else self.limits.tried_again_s
        await self._writes.try_after(pause_s, self.limits.waited_for_s)
        if (waited_s := self._writes.under_way_s) > self.limits.longest_write_s:
            return f"The database has not taken a write for {waited_s:.0f} s."
        return self._writes.problem

    async def _find_write_problem(self) -> str | None:
        try:
            async with self._database.write() as tx:
                await try_to_write(tx, OrganizationScope(), int(self._clock.now()))
        except SQLAlchemyError as error:
            return f"The database cannot be written: {error.__cause__ or type(error).__name__}."
        return None

    def _find_disk_problem(self) -> str | None:
        try:
            return self._blobs.find_problem(self.limits.needed_bytes)
        except OSError as error:
            return f"{self._blobs.place} cannot be used: {error.strerror}."
