"""Queries on sessions: who is logged in to the dashboard, by a key or as a person."""

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.sessions import IDLE_S
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.keys import HeldKey, find_held_key_by_row
from evalhaven.storage.access.members import Membership, list_memberships
from evalhaven.storage.access.people import Person, find_person_by_row
from evalhaven.storage.access.projects import Project, find_project_by_scope
from evalhaven.storage.access.tables import people, sessions
from evalhaven.storage.reading import ReadTransaction


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in.

    Attributes:
        digest: By which their token is recognized.
        scope: The project that they look at; None before they have one.
        created_at: Unix second of the login.
        last_seen_at: When they were here last, to the minute.
        expires_at: When it ends at the latest.
        key: Row of the key by which they logged in.
        person: Row of the person who logged in.
    """

    digest: bytes = field(repr=False)
    scope: ProjectScope | None
    created_at: int
    last_seen_at: int
    expires_at: int
    key: int | None = None
    person: int | None = None


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A session with whatever decides about what it allows.

    Attributes:
        session: The session.
        project: The project that it looks at.
        key: The key by which somebody logged in.
        person: The person who logged in.
        memberships: That person's projects.
    """

    session: Session
    project: Project | None
    key: HeldKey | None
    person: Person | None
    memberships: tuple[Membership, ...]


async def insert_session(tx: AsyncConnection, _scope: OrganizationScope, new: Session) -> None:
    """Store that somebody has logged in."""
    await tx.execute(
        insert(sessions).values(
            digest=new.digest,
            project_id=None if new.scope is None else new.scope.project_id,
            api_key_key=new.key,
            person_key=new.person,
            created_at=new.created_at,
            last_seen_at=new.last_seen_at,
            expires_at=new.expires_at,
        )
    )


async def find_held_session(tx: ReadTransaction, scope: OrganizationScope, digest: bytes) -> HeldSession | None:
    """Return the session of a token, with what decides about it; None if there is none."""
    row = (await tx.execute(select(sessions).where(sessions.c.digest == digest))).one_or_none()
    if row is None:
        return None
    project = None if row.project_id is None else ProjectScope(row.project_id)
    session = Session(
        digest, project, row.created_at, row.last_seen_at, row.expires_at, row.api_key_key, row.person_key
    )
    return HeldSession(
        session=session,
        project=None if project is None else await find_project_by_scope(tx, project),
        key=None if session.key is None else await find_held_key_by_row(tx, scope, session.key),
        person=None if session.person is None else await find_person_by_row(tx, scope, session.person),
        memberships=() if session.person is None else tuple(await list_memberships(tx, scope, session.person)),
    )


async def move_session(tx: AsyncConnection, _scope: OrganizationScope, digest: bytes, to: ProjectScope) -> None:
    """Let a session look at another project."""
    await tx.execute(update(sessions).where(sessions.c.digest == digest).values(project_id=to.project_id))


async def delete_session(tx: AsyncConnection, _scope: OrganizationScope, digest: bytes) -> bool:
    """Log somebody out; return whether they were logged in."""
    return bool((await tx.execute(delete(sessions).where(sessions.c.digest == digest))).rowcount)


async def delete_ended_sessions(tx: AsyncConnection, _scope: OrganizationScope, now: int) -> None:
    """Remove the sessions that nobody can use any more because their time is over."""
    is_over = (sessions.c.expires_at <= now) | (sessions.c.last_seen_at <= now - IDLE_S)
    await tx.execute(delete(sessions).where(is_over))


async def has_sessions_of_others(tx: ReadTransaction, _scope: OrganizationScope, issuer: str | None) -> bool:
    """Tell whether `delete_sessions_of_others` would log anybody out."""
    query = select(sessions.c.digest).where(_is_of_another(issuer)).limit(1)
    return (await tx.execute(query)).one_or_none() is not None


async def delete_sessions_of_others(tx: AsyncConnection, _scope: OrganizationScope, issuer: str | None) -> None:
    """Log everybody out for whom another provider vouched than the one that there is now.

    Args:
        tx: Open write transaction.
        issuer: The provider, with or without a slash at its end; None if there is none.
    """
    await tx.execute(delete(sessions).where(_is_of_another(issuer)))


def _is_of_another(issuer: str | None) -> ColumnElement[bool]:
    others = select(people.c.key)
    if issuer is not None:
        bare = issuer.rstrip("/")
        others = others.where(people.c.issuer.not_in((bare, f"{bare}/")))
    return sessions.c.person_key.in_(others)


async def note_seen(tx: AsyncConnection, _scope: OrganizationScope, digest: bytes, at: int) -> None:
    """Note that somebody was here."""
    is_newer = sessions.c.last_seen_at < at
    await tx.execute(update(sessions).where(sessions.c.digest == digest, is_newer).values(last_seen_at=at))
