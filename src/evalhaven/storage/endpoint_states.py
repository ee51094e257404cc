"""What the last runs stored of their calls to endpoints."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_overviews import of_project
from evalhaven.storage.tables import evals, runs

_LAST_RUNS = 100


async def list_flows(tx: ReadTransaction, scope: ProjectScope) -> Sequence[Row[Any]]:
    """Return how the calls of the last runs went, the newest run first."""
    query = (
        select(
            runs.c.public_id,
            runs.c.name,
            evals.c.public_id.label("eval_id"),
            runs.c.model,
            runs.c.ended_at,
            runs.c.flow,
        )
        .join(evals, evals.c.key == runs.c.eval_key)
        .where(of_project(scope), runs.c.deleted_at.is_(None))
        .order_by(runs.c.created_at.desc(), runs.c.public_id.desc())
        .limit(_LAST_RUNS)
    )
    return [row for row in (await tx.execute(query)).all() if row.flow is not None]
