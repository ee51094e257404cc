"""Queries on API keys: those of a project and, of the organization, its admin keys and whose a key is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.permissions import Permission
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.pages import fetch_page
from evalhaven.storage.access.tables import api_keys, key_limits, limits
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import projects


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without its secret.

    Attributes:
        id: Public id.
        name: What it is called.
        digest: By which it is recognized.
        redacted: What is shown of it.
        scopes: What it allows.
        created_at: Unix second.
        expires_at: From when on it is refused.
        last_used_at: When it was used last, to the minute.
        revoked_at: Since when it is refused.
        service_account_key: Whose it is, if it is a service account's.
        requests_per_minute: The most requests that it may make in a minute; None without a limit.
        key: Its row; 0 before it is stored.
    """

    id: str
    name: str
    digest: bytes = field(repr=False)
    redacted: str
    scopes: frozenset[Permission]
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None
    service_account_key: int | None = None
    requests_per_minute: int | None = None
    key: int = 0


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that a request carries, with the project that it opens.

    Attributes:
        key: The key.
        scope: Its project; None if it is an admin key.
        project: That project's public id.
        is_archived: Whether that project is archived.
        requests_per_minute: The most requests that all keys of that project may make in a minute; None without a limit.
    """

    key: ApiKey
    scope: ProjectScope | None
    project: str | None
    is_archived: bool
    requests_per_minute: int | None = None


_KEYS = select(api_keys, key_limits.c.requests_per_minute).join(
    key_limits, key_limits.c.api_key_key == api_keys.c.key, isouter=True
)


async def insert_key(tx: AsyncConnection, scope: ProjectScope | OrganizationScope, new: ApiKey) -> None:
    """Store a new key of a project, or a new admin key."""
    await tx.execute(
        insert(api_keys).values(
            project_id=scope.project_id if isinstance(scope, ProjectScope) else None,
            public_id=new.id,
            name=new.name,
            digest=new.digest,
            redacted=new.redacted,
            scopes=" ".join(sorted(new.scopes)),
            service_account_key=new.service_account_key,
            created_at=new.created_at,
            expires_at=new.expires_at,
        )
    )


async def get_key(tx: ReadTransaction, scope: ProjectScope | OrganizationScope, key_id: str) -> ApiKey:
    """Return a key of a project, or an admin key.

    Raises:
        NotFoundError: There is none with this id.
    """
    query = _KEYS.where(_of(scope), api_keys.c.public_id == key_id)
    row = (await tx.execute(query)).one_or_none() if is_id_text(key_id) else None
    if row is None:
        raise NotFoundError("Key", key_id, "key_id")
    return _key(row)


async def list_keys(tx: ReadTransaction, scope: ProjectScope | OrganizationScope) -> Sequence[ApiKey]:
    """Return the keys of a project, or all admin keys, newest first; revoked ones, too."""
    query = _KEYS.where(_of(scope)).order_by(api_keys.c.key.desc())
    return [_key(row) for row in (await tx.execute(query)).all()]


async def list_valid_keys(tx: ReadTransaction, scope: ProjectScope, page: PageRequest) -> tuple[Sequence[ApiKey], bool]:
    """Return a page of the keys of a project that are not revoked, and whether more follow."""
    query = _KEYS.where(api_keys.c.project_id == scope.project_id, api_keys.c.revoked_at.is_(None))
    return await fetch_page(tx, query, api_keys.c.key, api_keys.c.public_id, page, "key", _key)


async def revoke_key(tx: AsyncConnection, scope: ProjectScope | OrganizationScope, key_id: str, at: int) -> bool:
    """Have a key refused from now on; return whether it was not yet."""
    changed = (
        update(api_keys)
        .where(_of(scope), api_keys.c.public_id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return is_id_text(key_id) and bool((await tx.execute(changed)).rowcount)


async def find_held_key(tx: ReadTransaction, _scope: OrganizationScope, digest: bytes) -> HeldKey | None:
    """Return the key that a request carries, revoked or not; None if there is none."""
    return await _find_held(tx, api_keys.c.digest == digest)


async def find_held_key_by_row(tx: ReadTransaction, _scope: OrganizationScope, key: int) -> HeldKey | None:
    """Return the key of a row, revoked or not."""
    return await _find_held(tx, api_keys.c.key == key)


async def _find_held(tx: ReadTransaction, condition: ColumnElement[bool]) -> HeldKey | None:
    query = (
        _KEYS.add_columns(
            projects.c.public_id.label("project"),
            projects.c.archived_at,
            limits.c.requests_per_minute.label("requests_of_project"),
        )
        .join(projects, projects.c.id == api_keys.c.project_id, isouter=True)
        .join(limits, limits.c.project_id == api_keys.c.project_id, isouter=True)
        .where(condition)
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    scope = None if row.project_id is None else ProjectScope(row.project_id)
    return HeldKey(_key(row), scope, row.project, row.archived_at is not None, row.requests_of_project)


async def has_keys(tx: ReadTransaction, _scope: OrganizationScope) -> bool:
    """Tell whether any key was ever made."""
    return (await tx.execute(select(api_keys.c.key).limit(1))).first() is not None


async def note_uses(tx: AsyncConnection, _scope: OrganizationScope, used_at: Mapping[int, int]) -> None:
    """Note when keys were used last.

    Args:
        tx: Open write transaction.
        used_at: Unix seconds by the keys' rows.
    """
    # In the order of the rows, so that two servers never wait for each other.
    for key, at in sorted(used_at.items()):
        is_newer = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < at)
        await tx.execute(update(api_keys).where(api_keys.c.key == key, is_newer).values(last_used_at=at))


def _of(scope: ProjectScope | OrganizationScope) -> ColumnElement[bool]:
    if isinstance(scope, ProjectScope):
        return api_keys.c.project_id == scope.project_id
    return api_keys.c.project_id.is_(None)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.public_id,
        name=row.name,
        digest=row.digest,
        redacted=row.redacted,
        scopes=frozenset(Permission(each) for each in row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        service_account_key=row.service_account_key,
        requests_per_minute=row.requests_per_minute,
        key=row.key,
    )
