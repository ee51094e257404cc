"""Queries on service accounts: programs that have keys of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.access.pages import fetch_page
from evalhaven.storage.access.tables import api_keys, service_accounts
from evalhaven.storage.reading import ReadTransaction

AccountRole = Literal["member", "owner"]


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account of a project.

    Attributes:
        id: Public id.
        name: What it is called.
        role: As the published API calls it; it decides what its next key allows.
        created_at: Unix second.
        key: Its row; 0 before it is stored.
    """

    id: str
    name: str
    role: AccountRole
    created_at: int
    key: int = 0


async def insert_account(tx: AsyncConnection, scope: ProjectScope, new: ServiceAccount) -> ServiceAccount:
    """Store a new service account and return it with its row."""
    await tx.execute(
        insert(service_accounts).values(
            project_id=scope.project_id, public_id=new.id, name=new.name, role=new.role, created_at=new.created_at
        )
    )
    return await get_account(tx, scope, new.id)


async def get_account(tx: ReadTransaction, scope: ProjectScope, account_id: str) -> ServiceAccount:
    """Return a service account.

    Raises:
        NotFoundError: There is none with this id, or it was deleted.
    """
    query = _of(scope).where(service_accounts.c.public_id == account_id)
    row = (await tx.execute(query)).one_or_none() if is_id_text(account_id) else None
    if row is None:
        raise NotFoundError("Service account", account_id, "service_account_id")
    return _account(row)


async def list_accounts(
    tx: ReadTransaction, scope: ProjectScope, page: PageRequest
) -> tuple[Sequence[ServiceAccount], bool]:
    """Return a page of service accounts, and whether more follow."""
    key, public_id = service_accounts.c.key, service_accounts.c.public_id
    return await fetch_page(tx, _of(scope), key, public_id, page, "service account", _account)


async def update_account(tx: AsyncConnection, scope: ProjectScope, changed: ServiceAccount) -> None:
    """Store the name and role of a service account."""
    of_project = service_accounts.c.project_id == scope.project_id
    await tx.execute(
        update(service_accounts)
        .where(of_project, service_accounts.c.key == changed.key)
        .values(name=changed.name, role=changed.role)
    )


async def delete_account(tx: AsyncConnection, scope: ProjectScope, account: ServiceAccount, at: int) -> None:
    """Delete a service account and have its keys refused."""
    of_project = service_accounts.c.project_id == scope.project_id
    await tx.execute(
        update(service_accounts).where(of_project, service_accounts.c.key == account.key).values(deleted_at=at)
    )
    of_account = api_keys.c.service_account_key == account.key
    await tx.execute(
        update(api_keys)
        .where(api_keys.c.project_id == scope.project_id, of_account, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )


async def list_accounts_by_key(
    tx: ReadTransaction, scope: ProjectScope, keys: Sequence[int]
) -> dict[int, ServiceAccount]:
    """Return service accounts by their rows."""
    query = _of(scope).where(service_accounts.c.key.in_(keys))
    return {row.key: _account(row) for row in (await tx.execute(query)).all()}


def _of(scope: ProjectScope) -> Any:
    return select(service_accounts).where(
        service_accounts.c.project_id == scope.project_id, service_accounts.c.deleted_at.is_(None)
    )


def _account(row: Row[Any]) -> ServiceAccount:
    return ServiceAccount(row.public_id, row.name, row.role, row.created_at, row.key)
