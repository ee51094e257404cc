"""The queue's side of a worker: Procrastinate registers it, beats for it, and hands out jobs.

What it does not do is added by replacing what its worker asks of the database (`_Jobs`): a worker asks only for jobs
of runs that it has room for, and a heartbeat that fails is repeated until the others have given the worker up.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
import psycopg
import structlog
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from psycopg_pool import PoolTimeout

from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.storage.database import Database, PostgresqlConnection, postgresql_connection
from evalhaven.storage.punctual import PunctualConnection
from evalhaven.storage.queue.names import CHUNK_TASK, PLAN_TASK
from evalhaven.storage.queue.tables import WAKE_CHANNEL

_JOBS_CHANNEL = "procrastinate_any_queue_v1"
_ANSWERS_WITHIN_S = 5.0
_ASK_AGAIN_S = 1.0  # a notification can be lost
_TRY_AGAIN_S = 0.5
_LEAVES_WITHIN_S = 2.0
_LOOK_S = 0.1
_CONNECTIONS = 4
_NEVER_S = 1e6
_GONE = (ConnectorException, PoolTimeout, TimeoutError, OSError, psycopg.Error)


@dataclass(frozen=True, slots=True)
class Duties:
    """What a worker does with what the queue tells it.

    Attributes:
        register: Called with the number of a worker that was registered, before it gets jobs.
        queues_with_room: Returns the queues from which a job is wanted now; those of a group are asked together, and
            the next group only if they have none.
        plan: Executes the plan of a run, whose key and job are given.
        execute: Executes a chunk of a run.
        on_job: Called when a job was submitted.
        on_news: Called when something was created, canceled or deleted.
    """

    register: Callable[[int], Awaitable[None]]
    queues_with_room: Callable[[], Sequence[Sequence[str]]]
    plan: Callable[[int, int], Awaitable[None]]
    execute: Callable[[int, int], Awaitable[None]]
    on_job: Callable[[], None]
    on_news: Callable[[], None]


class ChunkQueue:
    """Gets jobs for a worker, for as long as the worker is registered."""

    def __init__(self, database: Database, fence: Fence, duties: Duties, most_jobs: int) -> None:
        """Register nothing yet.

        Args:
            database: Where the queue is.
            fence: The worker's.
            duties: What it does with jobs.
            most_jobs: How many jobs it may have at once.
        """
        self._connection = postgresql_connection(database.url)
        self._fence = fence
        self._duties = duties
        self._most_jobs = most_jobs
        self._room = asyncio.Event()
        self._is_leaving = False
        self._log = structlog.get_logger("evalhaven.workers")
        self.worker_id: int | None = None

    def wake(self) -> None:
        """Ask for jobs now: there is room, or a job."""
        self._room.set()

    def leave(self) -> None:
        """Ask for no more jobs, and take leave once those that it has are finished."""
        self._is_leaving = True
        self._room.set()

    async def serve(self) -> None:
        """Register as a worker and get jobs; return when the fence is shut, or after taking leave.

        Raises:
            ConnectorException: The database is away.
        """
        self._is_leaving = False
        connector = _connector(self._connection, _CONNECTIONS, PunctualConnection)
        app = App(connector=connector)
        jobs = app.job_manager = _Jobs(connector, self._fence, self)
        app.task(name=PLAN_TASK, pass_context=True)(self._plan)
        app.task(name=CHUNK_TASK)(self._execute)
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                await connector.open_async()
            await self._work(app)
        finally:
            self.worker_id = None
            jobs.is_over = True
            with suppress(*_GONE):
                async with asyncio.timeout(_LEAVES_WITHIN_S):
                    await connector.close_async()

    async def listen(self) -> None:
        """Follow notifications until canceled, whatever becomes of connections."""

        async def tell(*, channel: str, payload: str) -> None:
            del payload
            if channel == _JOBS_CHANNEL:
                self._duties.on_job()
            else:
                self._duties.on_news()

        while True:
            # It says nothing for as long as there is nothing to say.
            connector = _connector(self._connection, 1, psycopg.AsyncConnection)
            with suppress(*_GONE):
                try:
                    async with asyncio.timeout(_ANSWERS_WITHIN_S):
                        await connector.open_async()
                    await connector.listen_notify(tell, (_JOBS_CHANNEL, WAKE_CHANNEL))
                finally:
                    with suppress(*_GONE):
                        await connector.close_async()
            await anyio.sleep(_ASK_AGAIN_S)

    async def _work(self, app: App) -> None:
        working = asyncio.create_task(
            app.run_worker_async(
                concurrency=self._most_jobs,
                listen_notify=False,  # see `listen`
                fetch_job_polling_interval=_ASK_AGAIN_S,
                abort_job_polling_interval=_NEVER_S,
                update_heartbeat_interval=self._fence.lease_s / 3,
                stalled_worker_timeout=self._fence.lease_s,
                shutdown_graceful_timeout=_LEAVES_WITHIN_S,
                delete_jobs="always",
                install_signal_handlers=False,
            )
        )
        try:
            while not working.done() and not self._is_leaving:
                await asyncio.wait([working], timeout=_LOOK_S)
                if self.worker_id is not None and not self._fence.is_open:
                    self._log.error("worker_silent_too_long", worker=self.worker_id, effect="it begins anew")
                    break
        finally:
            self._is_leaving = True
            self._room.set()
            working.cancel()
            working.add_done_callback(_forget_error)
            # On a stalled connection it would take longer, and what it still wants to say has lost its meaning.
            await asyncio.wait([working], timeout=_LEAVES_WITHIN_S)
            self._fence.shut()
        if working.done() and not working.cancelled() and (error := working.exception()) is not None:
            raise error

    async def next_job(self, fetch: Callable[[Sequence[str]], Awaitable[Job | None]]) -> Job | None:
        """Return the next job of a run that there is room for, waiting for it; None: it is time to leave."""
        while not self._is_leaving and self._fence.is_open:
            self._room.clear()
            for names in self._duties.queues_with_room():
                if (job := await fetch(names)) is not None:
                    return job
            with suppress(TimeoutError):
                async with asyncio.timeout(_ASK_AGAIN_S):
                    await self._room.wait()
        return None

    async def register(self, worker_id: int, sent_at: float) -> None:
        """Note that the queue has registered this worker."""
        await self._duties.register(worker_id)
        self._fence.begin(sent_at)
        self.worker_id = worker_id
        self._log.info("worker_registered", worker=worker_id)

    async def _plan(self, context: JobContext, run: int) -> None:
        await self._duties.plan(run, context.job.id or 0)

    async def _execute(self, run: int, chunk: int) -> None:
        await self._duties.execute(run, chunk)


def _forget_error(ended: asyncio.Task[None]) -> None:
    """Do not complain of a task that took too long to end, and then failed for lack of a connection."""
    if not ended.cancelled():
        ended.exception()


class _Jobs(JobManager):
    """What Procrastinate's worker asks of the database, repeated while the worker may live."""

    def __init__(self, connector: PsycopgConnector, fence: Fence, queue: ChunkQueue) -> None:
        super().__init__(connector)
        self._fence = fence
        self._queue = queue
        self.is_over = False

    @property
    def _may_repeat(self) -> bool:
        # The fence may be open again for the next registration, while a task of this one is still about.
        return self._fence.is_open and not self.is_over

    async def register_worker(self) -> int:
        sent_at = time.monotonic()
        worker_id = await super().register_worker()
        await self._queue.register(worker_id, sent_at)
        return worker_id

    async def update_heartbeat(self, worker_id: int) -> None:
        while self._may_repeat:
            sent_at = time.monotonic()
            with suppress(*_GONE):
                async with asyncio.timeout(_ANSWERS_WITHIN_S):
                    await super().update_heartbeat(worker_id)
                self._fence.extend(sent_at)
                return
            await asyncio.sleep(_TRY_AGAIN_S)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        del queues
        return await self._queue.next_job(lambda names: self._fetch(names, worker_id))

    async def _fetch(self, names: Sequence[str], worker_id: int) -> Job | None:
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                return await super().fetch_job(list(names), worker_id)
        except _GONE as error:
            if isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
                # The others have thought it dead.
                self._fence.shut()
            return None

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        # A job that stayed would be this worker's for as long as it lives, and its chunk would wait for it.
        while self._may_repeat:
            try:
                async with asyncio.timeout(_ANSWERS_WITHIN_S):
                    return await super().finish_job(job, status, delete_job)
            except _GONE as error:
                if isinstance(error.__cause__, psycopg.errors.RaiseException):
                    return None  # it is gone already
            await asyncio.sleep(_TRY_AGAIN_S)
        return None


def _connector(
    connection: PostgresqlConnection, most: int, connection_class: type[psycopg.AsyncConnection]
) -> PsycopgConnector:
    async def prepare(raw: psycopg.AsyncConnection) -> None:
        await raw.execute(connection.session.encode())
        if not raw.autocommit:
            await raw.commit()

    return PsycopgConnector(
        conninfo=connection.conninfo,
        kwargs=connection.options,
        connection_class=connection_class,
        configure=prepare,
        min_size=1,
        max_size=most,
        timeout=_ANSWERS_WITHIN_S,
    )
