"""Queries on all that is left to do, over all projects, and on the size of the database."""

from dataclasses import dataclass

from sqlalchemy import false, func, select, text

from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import chunks, is_active_run, runs

_SQLITE_SIZE = text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
_POSTGRESQL_SIZE = text("SELECT pg_database_size(current_database())")


@dataclass(frozen=True, slots=True)
class WorkLeft:
    """What is left to do.

    Attributes:
        queued: Runs that wait to be taken up.
        in_progress: Runs that were.
        queued_since: Since when the oldest of the former has waited, in Unix seconds; None if there are none.
        chunks: Chunks that are not done, of both.
    """

    queued: int
    in_progress: int
    queued_since: int | None
    chunks: int


async def read_work_left(tx: ReadTransaction, _scope: EngineScope) -> WorkLeft:
    """Return what is left to do."""
    active = is_active_run & runs.c.deleted_at.is_(None)
    # A retried run waits since it was queued again.
    by_status = select(runs.c.status, func.count().label("runs"), func.min(runs.c.updated_at).label("since"))
    rows = (await tx.execute(by_status.where(active).group_by(runs.c.status))).all()
    found = {row.status: row for row in rows}
    of_active = chunks.c.run_key.in_(select(runs.c.key).where(active))
    left = select(func.count()).where(of_active, chunks.c.is_done == false())
    queued, started = found.get(RunStatus.QUEUED), found.get(RunStatus.IN_PROGRESS)
    return WorkLeft(
        0 if queued is None else queued.runs,
        0 if started is None else started.runs,
        None if queued is None else queued.since,
        (await tx.execute(left)).scalar_one() if rows else 0,
    )


async def read_size_bytes(tx: ReadTransaction, _scope: EngineScope, *, is_sqlite: bool) -> int:
    """Return the size of the database."""
    return int((await tx.execute(_SQLITE_SIZE if is_sqlite else _POSTGRESQL_SIZE)).scalar_one())
