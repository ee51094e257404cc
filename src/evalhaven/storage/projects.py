"""Queries on projects."""

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope, OrganizationScope, ProjectScope
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import projects


async def check_projects(tx: AsyncConnection, _scope: OrganizationScope) -> None:
    """Read a project's row: proof that the database answers and is set up."""
    await tx.execute(select(projects.c.id).limit(1))


async def try_to_write(tx: AsyncConnection, _scope: OrganizationScope, at: int) -> None:
    """Write something that is never read: once committed, it proves that the database can be written."""
    first = select(func.min(projects.c.id)).scalar_subquery()
    await tx.execute(update(projects).where(projects.c.id == first).values(tried_at=at))


async def list_projects(tx: ReadTransaction, _scope: EngineScope) -> list[ProjectScope]:
    """Return all projects, archived ones, too: what they had under way is still to be ended."""
    return [ProjectScope(key) for key in (await tx.execute(select(projects.c.id).order_by(projects.c.id))).scalars()]


async def lock_project(tx: AsyncConnection, scope: ProjectScope) -> None:
    """Make other transactions that lock the project wait until this one ends; all others are unaffected."""
    query = select(projects.c.id).where(projects.c.id == scope.project_id)
    await tx.execute(query.with_for_update(key_share=True))
