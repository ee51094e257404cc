"""Queries on what happened to runs.

An event is written in the transaction of what it tells of, with the run's row locked by it, so that numbers follow
each other. Of events that may come again and again only the first of a run are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.reading import ReadTransaction, WriteTransaction
from evalhaven.storage.tables import run_events, runs

_MOST_OF_CALLS = 500
_OF_CALLS = frozenset({"unreachable", "reachable", "paused"})
# Statements that are executed again and again are made once.
_NEXT = select(func.coalesce(func.max(run_events.c.number) + 1, 0)).where(run_events.c.run_key == bindparam("of_run"))
_INSERT = insert(run_events)


@dataclass(frozen=True, slots=True)
class RunHistory:
    """What is stored of a run's life.

    Attributes:
        events: What happened, in order.
        imported_at: Unix second at which it was imported; None for a run executed here.
    """

    events: Sequence[RunEvent]
    imported_at: int | None


async def append_events(tx: WriteTransaction, scope: ProjectScope, run_key: int, new: Sequence[RunEvent]) -> None:
    """Record what happened to a run, whose row this transaction has written or locked."""
    if not new:
        return
    first = (await tx.execute(_NEXT, {"of_run": run_key})).scalar_one()
    kept = [event for event in new if first < _MOST_OF_CALLS or event.type not in _OF_CALLS]
    values = [
        {
            "run_key": run_key,
            "number": number,
            "project_id": scope.project_id,
            "happened_at": event.at,
            "type": event.type,
            "details": event.details,
        }
        for number, event in enumerate(kept, first)
    ]
    if values:
        await tx.execute(_INSERT, values)


async def read_history(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> RunHistory:
    """Return what is stored of a run's life."""
    of_run = (runs.c.key == run_key) & (runs.c.project_id == scope.project_id)
    imported_at = (await tx.execute(select(runs.c.imported_at).where(of_run))).scalar_one()
    query = (
        select(run_events.c.type, run_events.c.happened_at, run_events.c.details)
        .where(run_events.c.run_key == run_key, run_events.c.project_id == scope.project_id)
        .order_by(run_events.c.number)
    )
    rows: Sequence[Any] = (await tx.execute(query)).all()
    return RunHistory([RunEvent(row.type, row.happened_at, row.details) for row in rows], imported_at)
