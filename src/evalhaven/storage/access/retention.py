"""Queries on retention: for how many days projects keep their logged calls."""

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.access.limits import lock_project
from evalhaven.storage.access.tables import call_retention
from evalhaven.storage.reading import ReadTransaction


async def find_kept_days(tx: ReadTransaction, scope: ProjectScope) -> int | None:
    """Return for how many days a project wants its calls kept; None: for as long as the server keeps any."""
    query = select(call_retention.c.days).where(call_retention.c.project_id == scope.project_id)
    days: int | None = (await tx.execute(query)).scalar_one_or_none()
    return days


async def list_kept_days(tx: ReadTransaction, _scope: EngineScope) -> dict[ProjectScope, int]:
    """Return for how many days calls are kept in the projects that want them kept for so many."""
    query = select(call_retention.c.project_id, call_retention.c.days).order_by(call_retention.c.project_id)
    return {ProjectScope(project_id): days for project_id, days in (await tx.execute(query)).all()}


async def save_kept_days(tx: AsyncConnection, scope: ProjectScope, days: int | None) -> None:
    """Store for how many days a project wants its calls kept; None: for as long as the server keeps any."""
    await lock_project(tx, scope)
    is_row = call_retention.c.project_id == scope.project_id
    if days is None:
        await tx.execute(delete(call_retention).where(is_row))
    elif not (await tx.execute(update(call_retention).where(is_row).values(days=days))).rowcount:
        await tx.execute(insert(call_retention).values(project_id=scope.project_id, days=days))
