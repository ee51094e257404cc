"""Queries on baselines: the run that is pinned for an eval, and earlier runs that could be one."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_rows import run_of
from evalhaven.storage.tables import evals, pinned_runs, runs

_RUN = select(runs, evals.c.public_id.label("eval_id")).join(evals, runs.c.eval_key == evals.c.key)
_AGE = (runs.c.created_at, runs.c.public_id)


async def pin_run(tx: AsyncConnection, scope: ProjectScope, run: Run, at: int) -> None:
    """Pin a run for its eval, instead of the one that was pinned before."""
    await unpin_runs(tx, scope, run.eval_key)
    values = {"eval_key": run.eval_key, "project_id": scope.project_id, "run_key": run.key, "pinned_at": at}
    await tx.execute(insert(pinned_runs).values(values))


async def unpin_runs(tx: AsyncConnection, scope: ProjectScope, eval_key: int, run_key: int | None = None) -> bool:
    """Unpin the run of an eval and tell whether there was one.

    Args:
        tx: Open write transaction.
        scope: Whose eval.
        eval_key: The eval.
        run_key: Only this run; None for any.
    """
    of_eval = (pinned_runs.c.eval_key == eval_key) & (pinned_runs.c.project_id == scope.project_id)
    if run_key is not None:
        of_eval &= pinned_runs.c.run_key == run_key
    return (await tx.execute(delete(pinned_runs).where(of_eval))).rowcount > 0


async def find_pinned_run(tx: ReadTransaction, scope: ProjectScope, eval_keys: Sequence[int]) -> Run | None:
    """Return the run that is pinned for the first of some evals that has one; None if none is, or it was deleted."""
    query = _RUN.join(pinned_runs, pinned_runs.c.run_key == runs.c.key).where(
        pinned_runs.c.eval_key.in_(eval_keys),
        pinned_runs.c.project_id == scope.project_id,
        runs.c.deleted_at.is_(None),
    )
    found = {row.eval_key: row for row in (await tx.execute(query)).all()}
    row = next((found[key] for key in eval_keys if key in found), None)
    return None if row is None else run_of(row)


async def list_completed_before(
    tx: ReadTransaction, scope: ProjectScope, eval_keys: Sequence[int], run: Run, limit: int
) -> list[Run]:
    """Return completed runs of some evals that were created before a run, the newest first."""
    newest = tuple(column.desc() for column in _AGE)
    # Chosen first and read then: what is sorted are ids, not documents.
    chosen = (
        select(runs.c.key)
        .where(_is_completed(scope, eval_keys), tuple_(*_AGE) < (run.created_at, run.id))
        .order_by(*newest)
        .limit(limit)
    )
    query = _RUN.where(runs.c.key.in_(chosen)).order_by(*newest)
    return [run_of(row) for row in (await tx.execute(query)).all()]


async def list_completed_runs(tx: ReadTransaction, scope: ProjectScope, eval_key: int, limit: int) -> list[Run]:
    """Return completed runs of an eval, the newest first."""
    query = _RUN.where(_is_completed(scope, [eval_key])).order_by(*(column.desc() for column in _AGE)).limit(limit)
    return [run_of(row) for row in (await tx.execute(query)).all()]


def _is_completed(scope: ProjectScope, eval_keys: Sequence[int]) -> ColumnElement[bool]:
    return and_(
        runs.c.eval_key.in_(eval_keys),
        runs.c.project_id == scope.project_id,
        runs.c.status == RunStatus.COMPLETED.value,
        runs.c.deleted_at.is_(None),
    )
