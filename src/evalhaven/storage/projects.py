"""Queries on projects."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.tables import projects


async def check_project(tx: AsyncConnection, scope: ProjectScope) -> None:
    """Read the project's row: proof that the database answers and is set up."""
    await tx.execute(select(projects.c.id).where(projects.c.id == scope.project_id))


async def try_to_write(tx: AsyncConnection, scope: ProjectScope, at: int) -> None:
    """Write something that is never read: once committed, it proves that the database can be written."""
    await tx.execute(update(projects).where(projects.c.id == scope.project_id).values(tried_at=at))


async def lock_project(tx: AsyncConnection, scope: ProjectScope) -> None:
    """Make other transactions that lock the project wait until this one ends; all others are unaffected."""
    query = select(projects.c.id).where(projects.c.id == scope.project_id)
    await tx.execute(query.with_for_update(key_share=True))
