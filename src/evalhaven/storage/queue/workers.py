"""Which workers there are, what is left of dead ones, and what one worker at a time does for all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.run_formats import NEWEST_FORMAT
from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.queue.names import CHUNK_TASK, queue_of
from evalhaven.storage.queue.tables import duties, grader_claims, heartbeats, jobs, workers

_RECONCILER_LOCK = 0x65_76_61_6D  # of PostgreSQL's advisory locks, beside that of upgrades
_EXCUSED = -1
_doing = cast(jobs.c.status, Text) == "doing"


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker says of itself.

    Attributes:
        seat: Nobody else takes it while the worker lives.
        host: The machine's name.
        process: The process's number on it.
        release: Of Evalhaven.
        run_format: The highest format of runs that the worker executes.
    """

    seat: str
    host: str
    process: int
    release: str
    run_format: int = NEWEST_FORMAT


async def enter_worker(tx: AsyncConnection, _scope: EngineScope, worker_id: int, facts: WorkerFacts) -> None:
    """Store who a worker is that Procrastinate has registered."""
    await tx.execute(
        insert(workers).values(
            id=worker_id,
            seat=facts.seat,
            host=facts.host,
            process=facts.process,
            release=facts.release,
            run_format=facts.run_format,
        )
    )


async def leave_seat(tx: AsyncConnection, _scope: EngineScope, seat: str) -> list[int]:
    """Remove the workers that sat on a seat and are dead; return the runs that may have killed them."""
    gone = select(workers.c.id).where(workers.c.seat == seat)
    runs = await _drop_jobs(tx, jobs.c.worker_id.in_(gone))
    await tx.execute(delete(heartbeats).where(heartbeats.c.id.in_(gone)))
    await tx.execute(delete(workers).where(workers.c.seat == seat))
    return runs


async def sweep_jobs(tx: AsyncConnection, _scope: EngineScope, lease_s: float) -> list[int]:
    """Delete the jobs of workers that are gone or silent for a lease; return the runs that may have killed them."""
    heard = heartbeats.c.last_heartbeat >= func.now() - func.make_interval(0, 0, 0, 0, 0, 0, lease_s)
    runs = await _drop_jobs(tx, ~exists().where(heartbeats.c.id == jobs.c.worker_id, heard))
    await tx.execute(delete(workers).where(~exists().where(heartbeats.c.id == workers.c.id)))
    return runs


async def _drop_jobs(tx: AsyncConnection, of_the_dead: ColumnElement[bool]) -> list[int]:
    dropped = await tx.execute(
        delete(jobs).where(_doing, of_the_dead).returning(jobs.c.task_name, jobs.c.queueing_lock, jobs.c.priority)
    )
    suspects = [row for row in dropped if row.task_name == CHUNK_TASK and row.priority != _EXCUSED]
    return sorted({int(row.queueing_lock.partition(":")[0]) for row in suspects})


async def excuse_jobs(tx: AsyncConnection, _scope: EngineScope, run_key: int) -> None:
    """Note that a death was counted for a run: that of others who had begun its chunks by then says nothing more.

    All workers of a machine may die at once. A run that kills them has each death begin with a chunk handed out anew.
    """
    # Its priority matters only while a job waits.
    await tx.execute(update(jobs).where(jobs.c.queue_name == queue_of(run_key), _doing).values(priority=_EXCUSED))


async def may_reconcile(tx: AsyncConnection, _scope: EngineScope) -> bool:
    """Tell whether no other worker compares jobs and runs now; until the transaction ends none will."""
    return (await tx.execute(select(func.pg_try_advisory_xact_lock(_RECONCILER_LOCK)))).scalar_one()


async def hold_duty(tx: AsyncConnection, _scope: EngineScope, name: str, worker_id: int, lease_s: float) -> bool:
    """Take a duty that nobody holds, or hold it longer; return whether the worker has it."""
    until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s)
    new = insert_or_update(duties).values(name=name, worker_id=worker_id, held_until=until)
    taken = new.on_conflict_do_update(
        index_elements=[duties.c.name],
        set_={"worker_id": worker_id, "held_until": until},
        where=or_(duties.c.worker_id == worker_id, duties.c.held_until < func.now(), _is_gone(duties.c.worker_id)),
    )
    return (await tx.execute(taken.returning(duties.c.name))).scalar_one_or_none() is not None


async def claim_grader_calls(
    tx: AsyncConnection, _scope: EngineScope, worker_id: int, keys: Sequence[int], lease_s: float
) -> set[int]:
    """Claim calls of graders that no other worker answers, or hold on to them; return those it answers."""
    if not keys:
        return set()
    until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s)
    new = insert_or_update(grader_claims).values(
        [{"call_key": key, "worker_id": worker_id, "held_until": until} for key in sorted(keys)]
    )
    taken = new.on_conflict_do_update(
        index_elements=[grader_claims.c.call_key],
        set_={"worker_id": worker_id, "held_until": until},
        where=or_(
            grader_claims.c.worker_id == worker_id,
            grader_claims.c.held_until < func.now(),
            _is_gone(grader_claims.c.worker_id),
        ),
    )
    return set((await tx.execute(taken.returning(grader_claims.c.call_key))).scalars())


async def forget_grader_claims(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete the claims that were held for the last time some minutes ago."""
    await tx.execute(
        delete(grader_claims).where(grader_claims.c.held_until < func.now() - func.make_interval(0, 0, 0, 0, 0, 5))
    )


def _is_gone(worker_id: Any) -> ColumnElement[bool]:
    return ~exists().where(heartbeats.c.id == worker_id)
