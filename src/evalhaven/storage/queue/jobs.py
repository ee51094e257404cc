"""Jobs of the queue: the plan of a run, or one of its chunks. They are handed out by Procrastinate and decide nothing.

Jobs are submitted in a transaction that holds the run's row, and only for what has no live job: so two transactions
never submit the same one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from sqlalchemy import Text, bindparam, cast, delete, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.queue.names import CHUNK_TASK, LIVE_STATUSES, PLAN_TASK, lock_of, queue_of, run_of_queue
from evalhaven.storage.queue.tables import heartbeats, jobs
from evalhaven.storage.tables import chunks

_FEWEST_QUEUED = 2
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
_status = cast(jobs.c.status, Text)
# Statements that are executed again and again are made once.
_LIVE = select(jobs.c.queueing_lock, _status.label("status")).where(
    jobs.c.queue_name == bindparam("queue"), _status.in_(LIVE_STATUSES)
)
_PENDING = (
    select(chunks.c.number)
    .where(
        chunks.c.run_key == bindparam("run_key"),
        chunks.c.project_id == bindparam("project_id"),
        chunks.c.is_done.is_(False),
    )
    .order_by(chunks.c.number)
    .limit(bindparam("most"))
)
_IS_HELD = (jobs.c.id == bindparam("job_id")) & (_status == "doing")
_HELD = select(jobs.c.id).where(_IS_HELD)
_MAKE_CHUNK_JOB = update(jobs).where(_IS_HELD).values(task_name=CHUNK_TASK).returning(jobs.c.id)


@dataclass(frozen=True, slots=True)
class LiveJobs:
    """The jobs of one run that wait or are executed.

    Attributes:
        plans: Whether its plan is among them.
        chunks: The numbers of the chunks.
        queued: How many of them wait for a worker.
    """

    plans: bool
    chunks: frozenset[int]
    queued: int

    @property
    def any(self) -> bool:
        """Tell whether there are any."""
        return self.plans or bool(self.chunks)


async def count_workers(tx: AsyncConnection, _scope: EngineScope, lease_s: float) -> int:
    """Return how many workers were heard within a lease."""
    heard = heartbeats.c.last_heartbeat >= func.now() - func.make_interval(0, 0, 0, 0, 0, 0, lease_s)
    return (await tx.execute(select(func.count()).select_from(heartbeats).where(heard))).scalar_one()


async def list_live_jobs(tx: AsyncConnection, _scope: ProjectScope, run_key: int) -> LiveJobs:
    """Return the jobs of a run that wait or are executed."""
    rows = (await tx.execute(_LIVE, {"queue": queue_of(run_key)})).all()
    numbers = [row.queueing_lock.partition(":")[2] for row in rows]
    return LiveJobs("" in numbers, frozenset(int(n) for n in numbers if n), sum(row.status == "todo" for row in rows))


async def submit_plan(tx: AsyncConnection, run_key: int) -> None:
    """Have a run planned by any worker."""
    await _submit(tx, run_key, PLAN_TASK, [None])


async def submit_chunks(tx: AsyncConnection, scope: ProjectScope, run_key: int, workers: int) -> bool:
    """Fill up what of a run waits for workers; call it with the run locked. False: none of its chunks is left.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        run_key: The run.
        workers: How many workers there are; as many chunks wait, but at least two. 0: one chunk alone.
    """
    live = await list_live_jobs(tx, scope, run_key)
    wanted = (max(workers, _FEWEST_QUEUED) if workers else 1) - live.queued
    most = len(live.chunks) + max(wanted, 1)
    values = {"run_key": run_key, "project_id": scope.project_id, "most": most}
    numbers = (await tx.execute(_PENDING, values)).scalars().all()
    idle = [number for number in numbers if number not in live.chunks]
    if idle and wanted > 0:
        await _submit(tx, run_key, CHUNK_TASK, idle[:wanted])
    return bool(numbers)


async def has_job(tx: AsyncConnection, _scope: EngineScope, job_id: int) -> bool:
    """Tell whether a job that a worker executes is still its own: not if it was thought dead meanwhile."""
    return (await tx.execute(_HELD, {"job_id": job_id})).scalar_one_or_none() is not None


async def make_chunk_job(tx: AsyncConnection, _scope: EngineScope, job_id: int, run_key: int, number: int) -> bool:
    """Let the job of a run's plan stand for one of its chunks from now on; False: the worker has the job no more."""
    values = {"job_id": job_id, "queueing_lock": lock_of(run_key, number)}
    return (await tx.execute(_MAKE_CHUNK_JOB, values)).scalar_one_or_none() is not None


async def drop_queued_jobs(tx: AsyncConnection, _scope: EngineScope, run_keys: Sequence[int]) -> None:
    """Delete the jobs of runs that wait for workers: the runs are over."""
    queues = [queue_of(key) for key in run_keys]
    waits = _status == "todo"
    await tx.execute(delete(jobs).where(jobs.c.queue_name.in_(queues), waits))


async def list_queued_runs(tx: AsyncConnection, _scope: EngineScope) -> set[int]:
    """Return the runs of which jobs wait for workers."""
    waits = _status == "todo"
    names = (await tx.execute(select(jobs.c.queue_name).where(waits).distinct())).scalars()
    return {run_of_queue(name) for name in names}


async def _submit(tx: AsyncConnection, run_key: int, task: str, numbers: Sequence[int | None]) -> None:
    raw = await tx.get_raw_connection()
    manager = JobManager(PsycopgConnector())  # never opened: it uses this transaction's connection
    made = [
        Job(
            queue=queue_of(run_key),
            lock=None,
            queueing_lock=lock_of(run_key, number),
            task_name=task,
            task_kwargs={"run": run_key} if number is None else {"run": run_key, "chunk": number},
        )
        for number in numbers
    ]
    try:
        await manager.batch_defer_jobs_async(made, connection=raw.driver_connection)
    except ConnectorException as error:
        # As the transaction's other statements report it.
        cause = error.__cause__
        raise (OperationalError("submit jobs", None, cause) if isinstance(cause, _AWAY) else error) from error
