"""One query for how runs go on, over all runs that anybody watches."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select

from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.keyset import Query
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import evals, runs

_PROGRESS: Query = (
    select(
        runs.c.key,
        runs.c.eval_key,
        runs.c.public_id,
        runs.c.status,
        runs.c.model,
        runs.c.source_run_key,
        runs.c.started_at,
        runs.c.ended_at,
        runs.c.items_planned,
        runs.c.passed,
        runs.c.failed,
        runs.c.errored,
        runs.c.criteria_tally,
        runs.c.spending,
        runs.c.options,
        runs.c.flow,
        runs.c.error,
        runs.c.times_retried,
        runs.c.items_version,
    )
    .join(evals, runs.c.eval_key == evals.c.key)
    .where(
        runs.c.public_id.in_(bindparam("run_ids", expanding=True)),
        runs.c.project_id == bindparam("project_id"),
        runs.c.deleted_at.is_(None),
        evals.c.deleted_at.is_(None),
    )
)


async def list_progress(tx: ReadTransaction, scope: ProjectScope, run_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Return how some runs go on, by their ids; those that are not there, or are deleted, are left out."""
    values = {"run_ids": list(run_ids), "project_id": scope.project_id}
    return {row.public_id: row for row in (await tx.execute(_PROGRESS, values)).all()}


async def list_own_criteria(tx: ReadTransaction, scope: ProjectScope, keys: Sequence[int]) -> dict[int, str]:
    """Return the criteria of the runs among these that have criteria of their own, as JSON texts, by key."""
    query = select(runs.c.key, runs.c.testing_criteria).where(
        runs.c.key.in_(keys), runs.c.project_id == scope.project_id, runs.c.testing_criteria.is_not(None)
    )
    return {row.key: row.testing_criteria for row in (await tx.execute(query)).all()}
