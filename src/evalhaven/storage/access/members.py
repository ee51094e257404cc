"""Queries on members: who is what in a project."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.permissions import Role
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.people import Person, person_of
from evalhaven.storage.access.projects import Project, project_of
from evalhaven.storage.access.tables import members, people
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import projects


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a project.

    Attributes:
        person: Who it is.
        role: What they are there.
        created_at: Unix second since when.
    """

    person: Person
    role: Role
    created_at: int


@dataclass(frozen=True, slots=True)
class Membership:
    """A project of a person.

    Attributes:
        project: The project.
        role: What they are in it.
    """

    project: Project
    role: Role


async def list_members(tx: ReadTransaction, scope: ProjectScope) -> Sequence[Member]:
    """Return the members of a project, in the order in which they came."""
    query = _select().where(members.c.project_id == scope.project_id).order_by(members.c.created_at, people.c.key)
    return [_member(row) for row in (await tx.execute(query)).all()]


async def find_member(tx: ReadTransaction, scope: ProjectScope, person_id: str) -> Member | None:
    """Return a member of a project by their public id; None if they are none."""
    query = _select().where(members.c.project_id == scope.project_id, people.c.public_id == person_id)
    row = (await tx.execute(query)).one_or_none() if is_id_text(person_id) else None
    return None if row is None else _member(row)


async def list_memberships(tx: ReadTransaction, _scope: OrganizationScope, person_key: int) -> Sequence[Membership]:
    """Return the open projects of a person, oldest first."""
    query = (
        select(projects, members.c.role)
        .join(members, members.c.project_id == projects.c.id)
        .where(members.c.person_key == person_key, projects.c.archived_at.is_(None))
        .order_by(projects.c.id)
    )
    return [Membership(project_of(row), Role(row.role)) for row in (await tx.execute(query)).all()]


async def count_admins(tx: ReadTransaction, scope: ProjectScope) -> int:
    """Return how many members of a project administer it."""
    query = select(func.count()).where(members.c.project_id == scope.project_id, members.c.role == Role.ADMIN)
    return int((await tx.execute(query)).scalar_one())


async def insert_member(tx: AsyncConnection, scope: ProjectScope, person_key: int, role: Role, at: int) -> None:
    """Make a person a member of a project."""
    values = {"project_id": scope.project_id, "person_key": person_key, "role": role, "created_at": at}
    await tx.execute(insert(members).values(values))


async def update_member(tx: AsyncConnection, scope: ProjectScope, person_key: int, role: Role) -> None:
    """Give a member another role."""
    where = members.c.project_id == scope.project_id, members.c.person_key == person_key
    await tx.execute(update(members).where(*where).values(role=role))


async def delete_member(tx: AsyncConnection, scope: ProjectScope, person_key: int) -> None:
    """Let a person be no member of a project any more."""
    where = members.c.project_id == scope.project_id, members.c.person_key == person_key
    await tx.execute(delete(members).where(*where))


async def lock_members(tx: AsyncConnection, scope: ProjectScope) -> None:
    """Make other transactions that lock the members of this project wait until this one ends."""
    query = select(projects.c.id).where(projects.c.id == scope.project_id)
    await tx.execute(query.with_for_update(key_share=True))


def _select() -> Any:
    joined = members.join(people, people.c.key == members.c.person_key)
    since = members.c.created_at.label("member_since")
    return select(people, members.c.role, since).select_from(joined)


def _member(row: Row[Any]) -> Member:
    return Member(person_of(row), Role(row.role), row.member_since)
