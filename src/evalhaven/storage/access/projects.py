"""Queries on projects as the organization sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.pages import fetch_page
from evalhaven.storage.access.tables import api_keys, members
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import evals, projects


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


@dataclass(frozen=True, slots=True)
class Contents:
    """How much of what can be counted fast a project has.

    Attributes:
        evals: Its evals.
        keys: Its keys that are valid.
        members: Its members.
    """

    evals: int = 0
    keys: int = 0
    members: int = 0


async def find_project(tx: ReadTransaction, _scope: OrganizationScope, project_id: str) -> Project | None:
    """Return the project with this public id, archived or not; None if there is none."""
    query = select(projects).where(projects.c.public_id == project_id)
    row = (await tx.execute(query)).one_or_none() if is_id_text(project_id) else None
    return None if row is None else project_of(row)


async def find_project_by_scope(tx: ReadTransaction, scope: ProjectScope) -> Project | None:
    """Return a project, archived or not; None if there is none."""
    row = (await tx.execute(select(projects).where(projects.c.id == scope.project_id))).one_or_none()
    return None if row is None else project_of(row)


async def list_open_projects(tx: ReadTransaction, _scope: OrganizationScope) -> Sequence[Project]:
    """Return the projects that are not archived, oldest first."""
    query = select(projects).where(projects.c.archived_at.is_(None)).order_by(projects.c.id)
    return [project_of(row) for row in (await tx.execute(query)).all()]


async def get_project(tx: ReadTransaction, scope: OrganizationScope, project_id: str) -> Project:
    """Return the project with this public id, archived or not.

    Raises:
        NotFoundError: There is none.
    """
    found = await find_project(tx, scope, project_id)
    if found is None:
        raise NotFoundError("Project", project_id, "project_id")
    return found


async def list_projects(
    tx: ReadTransaction, _scope: OrganizationScope, page: PageRequest, *, with_archived: bool
) -> tuple[Sequence[Project], bool]:
    """Return a page of projects, and whether more follow; archived ones only if they are wanted."""
    query = select(projects)
    if not with_archived:
        query = query.where(projects.c.archived_at.is_(None))
    return await fetch_page(tx, query, projects.c.id, projects.c.public_id, page, "project", project_of)


async def count_contents(
    tx: ReadTransaction, _scope: OrganizationScope, found: Sequence[Project], now: int
) -> Mapping[str, Contents]:
    """Return how much each of some projects has, by public id.

    Args:
        tx: Open transaction.
        found: The projects.
        now: Unix second, by which keys expire.
    """
    is_valid = api_keys.c.revoked_at.is_(None) & or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    own = [each.scope.project_id for each in found]
    counts: list[dict[int, int]] = []
    for table, condition in ((evals, evals.c.deleted_at.is_(None)), (api_keys, is_valid), (members, true())):
        query = (
            select(table.c.project_id, func.count())
            .where(table.c.project_id.in_(own), condition)
            .group_by(table.c.project_id)
        )
        counts.append({row.project_id: row[1] for row in (await tx.execute(query)).all()})
    return {each.id: Contents(*(of.get(each.scope.project_id, 0) for of in counts)) for each in found}


async def insert_project(tx: AsyncConnection, _scope: OrganizationScope, project_id: str, name: str, at: int) -> None:
    """Store a new project."""
    await tx.execute(insert(projects).values(public_id=project_id, name=name, created_at=at))


async def rename_project(tx: AsyncConnection, _scope: OrganizationScope, project_id: str, name: str) -> None:
    """Give a project another name."""
    await tx.execute(update(projects).where(projects.c.public_id == project_id).values(name=name))


async def archive_project(tx: AsyncConnection, _scope: OrganizationScope, project_id: str, at: int) -> bool:
    """Close a project; return whether it was open."""
    is_open = projects.c.archived_at.is_(None)
    changed = update(projects).where(projects.c.public_id == project_id, is_open).values(archived_at=at)
    return bool((await tx.execute(changed)).rowcount)


async def lock_organization(tx: AsyncConnection, _scope: OrganizationScope) -> None:
    """Make other transactions that lock the organization wait until this one ends."""
    await tx.execute(select(projects.c.id).order_by(projects.c.id).limit(1).with_for_update(key_share=True))


def project_of(row: Row[Any]) -> Project:
    """Return the project of a row of `projects`."""
    return Project(ProjectScope(row.id), row.public_id, row.name, row.created_at, row.archived_at)
