"""Writes of evals, and of their runs with them; `runs` and the importers call them, routes never do."""

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.evals import Eval
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.imports import imported_text
from evalhaven.storage.tables import eval_followers, evals, runs


async def insert_eval(tx: AsyncConnection, scope: ProjectScope, new: Eval, imported_at: int | None = None) -> None:
    """Store a new eval, or one that is imported."""
    values = {
        "project_id": scope.project_id,
        "public_id": new.id,
        "created_at": new.created_at,
        "updated_at": new.updated_at,
        "name": new.name,
        "metadata": new.metadata,
        "data_source_config": new.data_source_config.text,
        "testing_criteria": new.testing_criteria.text,
        "warnings": [[caution.pointer, caution.message] for caution in new.warnings],
        "imported_at": imported_at,
        "imported_document": imported_text(new.imported),
        "version": new.version,
        "follows": new.follows,
    }
    key = (await tx.execute(insert(evals).values(values).returning(evals.c.key))).scalar_one()
    if new.follows is not None:
        follower = {"project_id": scope.project_id, "follows": new.follows, "eval_key": key}
        await tx.execute(insert(eval_followers).values(follower))


async def update_eval(tx: AsyncConnection, scope: ProjectScope, changed: Eval) -> None:
    """Write an eval's name, metadata and time of update."""
    await tx.execute(
        update(evals)
        .where(evals.c.key == changed.key, evals.c.project_id == scope.project_id)
        .values(
            name=changed.name,
            metadata=changed.metadata,
            updated_at=changed.updated_at,
            imported_document=imported_text(changed.imported),
        )
    )


async def delete_eval(tx: AsyncConnection, scope: ProjectScope, key: int, at: int) -> None:
    """Hide an eval and its runs, which must have ended; their rows are purged later."""
    of_eval = (runs.c.eval_key == key) & (runs.c.project_id == scope.project_id)
    await tx.execute(update(runs).where(of_eval, runs.c.deleted_at.is_(None)).values(deleted_at=at))
    await tx.execute(
        update(evals).where(evals.c.key == key, evals.c.project_id == scope.project_id).values(deleted_at=at)
    )
