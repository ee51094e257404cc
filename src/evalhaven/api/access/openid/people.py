"""Who somebody is here for whom a provider vouches: a person, who appears at the first login."""

from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.callers import DEFAULT_PROJECT_ID
from evalhaven.access.permissions import Role
from evalhaven.api.access.openid.login import OpenIdConfig
from evalhaven.api.access.openid.provider import Identity
from evalhaven.api.access.sessions import administers
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.members import insert_member, list_memberships
from evalhaven.storage.access.people import Person, find_person_by_subject, get_person, insert_person, update_person
from evalhaven.storage.access.projects import find_project, list_open_projects, lock_organization

_ORGANIZATION = OrganizationScope()


@dataclass(frozen=True, slots=True)
class Welcome:
    """A person who has logged in.

    Attributes:
        person: Who it is.
        is_new: Whether they have never been here before.
        scope: The project that they look at first; None if they may look at none.
        joined: The project whose member they have become by that.
    """

    person: Person
    is_new: bool
    scope: ProjectScope | None
    joined: ProjectScope | None
    role: Role | None


async def welcome(tx: AsyncConnection, config: OpenIdConfig, identity: Identity, ids: IdFactory, now: int) -> Welcome:
    """Store that somebody has logged in, and what their provider says of them.

    Args:
        tx: Open write transaction.
        config: Who may come in.
        identity: What the provider says.
        ids: Makes the id of a new person.
        now: Unix second.
    """
    # Of several first logins at once, one makes the person.
    await lock_organization(tx, _ORGANIZATION)
    found = await find_person_by_subject(tx, _ORGANIZATION, identity.issuer, identity.subject)
    told = Person(
        id=ids.new_person_id() if found is None else found.id,
        issuer=identity.issuer,
        subject=identity.subject,
        email=identity.email,
        is_email_verified=identity.is_email_verified,
        name=identity.name,
        is_organization_admin=administers(
            config.admins, identity.email if identity.is_email_verified else None, identity.subject
        ),
        created_at=now if found is None else found.created_at,
        last_seen_at=now,
        key=0 if found is None else found.key,
    )
    joined = None
    if found is None:
        await insert_person(tx, _ORGANIZATION, told)
        told = replace(told, key=(await get_person(tx, _ORGANIZATION, told.id)).key)
        joined = await _join(tx, config, told, now)
    else:
        await update_person(tx, _ORGANIZATION, told)
    return Welcome(told, found is None, await _first_project(tx, told), joined, config.default_role if joined else None)


async def _join(tx: AsyncConnection, config: OpenIdConfig, person: Person, now: int) -> ProjectScope | None:
    """Make a new person a member of the default project, if everybody becomes one."""
    project = await find_project(tx, _ORGANIZATION, DEFAULT_PROJECT_ID)
    if config.default_role is None or project is None or project.archived_at is not None:
        return None
    await insert_member(tx, project.scope, person.key, config.default_role, now)
    return project.scope


async def _first_project(tx: AsyncConnection, person: Person) -> ProjectScope | None:
    memberships = await list_memberships(tx, _ORGANIZATION, person.key)
    if memberships:
        return memberships[0].project.scope
    projects = await list_open_projects(tx, _ORGANIZATION) if person.is_organization_admin else ()
    return projects[0].scope if projects else None
