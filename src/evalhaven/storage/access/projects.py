"""Queries on projects as the organization sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import projects


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes:
        scope: By which queries are confined to it.
        id: Public id.
        name: What it is called.
        created_at: Unix second.
        archived_at: Since when it is closed; None while it is open.
    """

    scope: ProjectScope
    id: str
    name: str
    created_at: int
    archived_at: int | None


async def find_project(tx: ReadTransaction, _scope: OrganizationScope, project_id: str) -> Project | None:
    """Return the project with this public id, archived or not; None if there is none."""
    row = (await tx.execute(select(projects).where(projects.c.public_id == project_id))).one_or_none()
    return None if row is None else project_of(row)


async def find_project_by_scope(tx: ReadTransaction, scope: ProjectScope) -> Project | None:
    """Return a project, archived or not; None if there is none."""
    row = (await tx.execute(select(projects).where(projects.c.id == scope.project_id))).one_or_none()
    return None if row is None else project_of(row)


async def list_open_projects(tx: ReadTransaction, _scope: OrganizationScope) -> Sequence[Project]:
    """Return the projects that are not archived, oldest first."""
    query = select(projects).where(projects.c.archived_at.is_(None)).order_by(projects.c.id)
    return [project_of(row) for row in (await tx.execute(query)).all()]


async def lock_organization(tx: AsyncConnection, _scope: OrganizationScope) -> None:
    """Make other transactions that lock the organization wait until this one ends."""
    await tx.execute(select(projects.c.id).order_by(projects.c.id).limit(1).with_for_update(key_share=True))


def project_of(row: Row[Any]) -> Project:
    """Return the project of a row of `projects`."""
    return Project(ProjectScope(row.id), row.public_id, row.name, row.created_at, row.archived_at)
