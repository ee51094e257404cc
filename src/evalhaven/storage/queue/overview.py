"""What the queue has, for those who look at it: workers, jobs, and parts of limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Text, and_, cast, extract, func, select

from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.queue.limits import LimitShare
from evalhaven.storage.queue.names import LIVE_STATUSES, run_and_chunk_of
from evalhaven.storage.queue.tables import heartbeats, job_events, jobs, limit_shares, workers
from evalhaven.storage.reading import ReadTransaction

_status = cast(jobs.c.status, Text)


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker as the database knows it.

    Attributes:
        id: Its number in the queue.
        host: The machine's name.
        process: The process's number on it.
        release: Of Evalhaven.
        run_format: The highest format of runs that it executes.
        started_at: When it registered, in Unix seconds.
        silent_s: How long ago it was heard for the last time, in seconds.
    """

    id: int
    host: str
    process: int
    release: str
    run_format: int
    started_at: int
    silent_s: float


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A plan or a chunk that waits for a worker or is executed.

    Attributes:
        run_key: Of which run.
        chunk: Its number; None for the plan.
        worker_id: Who executes it; None while it waits.
        age_s: How long ago it was submitted, in seconds.
    """

    run_key: int
    chunk: int | None
    worker_id: int | None
    age_s: float


async def list_seen_workers(tx: ReadTransaction, _scope: EngineScope) -> list[SeenWorker]:
    """Return the workers that have not taken leave, the oldest first; silent ones are forgotten by the others."""
    query = (
        select(
            *(workers.c.id, workers.c.host, workers.c.process, workers.c.release, workers.c.run_format),
            extract("epoch", workers.c.started_at).label("started_at"),
            extract("epoch", func.clock_timestamp() - heartbeats.c.last_heartbeat).label("silent_s"),
        )
        .join(heartbeats, heartbeats.c.id == workers.c.id)
        .order_by(workers.c.id)
    )
    return [
        SeenWorker(
            *(row.id, row.host, row.process, row.release, row.run_format, int(row.started_at)),
            silent_s=max(0.0, float(row.silent_s)),
        )
        for row in (await tx.execute(query)).all()
    ]


async def list_all_jobs(tx: ReadTransaction, _scope: EngineScope) -> list[LiveJob]:
    """Return the jobs of all runs, of each a few."""
    submitted = and_(job_events.c.job_id == jobs.c.id, cast(job_events.c.type, Text) == "deferred")
    query = (
        select(
            *(jobs.c.queueing_lock, jobs.c.worker_id, _status.label("status")),
            extract("epoch", func.clock_timestamp() - job_events.c.at).label("age_s"),
        )
        .outerjoin(job_events, submitted)
        .where(_status.in_(LIVE_STATUSES))
        .order_by(jobs.c.id)
    )
    found: list[LiveJob] = []
    for row in (await tx.execute(query)).all():
        run_key, chunk = run_and_chunk_of(row.queueing_lock)
        worker_id = row.worker_id if row.status == "doing" else None
        found.append(LiveJob(run_key, chunk, worker_id, max(0.0, float(row.age_s or 0.0))))
    return found


async def count_live_jobs(tx: ReadTransaction, _scope: EngineScope) -> tuple[int, int]:
    """Return how many jobs wait, and how many are under way."""
    query = select(_status.label("status"), func.count().label("jobs")).where(_status.in_(LIVE_STATUSES))
    counts = {row.status: row.jobs for row in (await tx.execute(query.group_by(_status))).all()}
    return counts.get("todo", 0), counts.get("doing", 0)


async def list_held_shares(tx: ReadTransaction, _scope: EngineScope) -> Sequence[LimitShare]:
    """Return the parts of limits that are held now, by name."""
    query = (
        select(limit_shares)
        .where(limit_shares.c.held_until >= func.clock_timestamp())
        .order_by(limit_shares.c.name, limit_shares.c.worker_id)
    )
    return [LimitShare(row.name, row.worker_id, row.slots, row.wanted) for row in (await tx.execute(query)).all()]
