"""Queries on webhooks."""

from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import WebhookId, is_id_text
from evalhaven.domain.paging import Page, PageRequest
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.webhooks import WEBHOOK_PREFIX, OffReason, Webhook, WebhookFormat
from evalhaven.storage.events import delete_subscriber, insert_subscriber, save_event_types
from evalhaven.storage.keyset import find_position, page_of, page_values
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import webhooks

_KEY = (webhooks.c.created_at, webhooks.c.public_id)


async def insert_webhook(tx: AsyncConnection, scope: ProjectScope, new: Webhook) -> None:
    """Store a new webhook, which is told of what happens from now on."""
    key = await insert_subscriber(tx, scope, new.id, new.created_at, new.told_of)
    values = _configuration(new)
    await tx.execute(
        insert(webhooks).values(
            subscriber_key=key,
            project_id=scope.project_id,
            public_id=new.id,
            created_at=new.created_at,
            **values,
        )
    )


async def save_webhook(tx: AsyncConnection, scope: ProjectScope, changed: Webhook) -> None:
    """Store the configuration of a webhook, its secrets, and whether it is off."""
    await tx.execute(update(webhooks).where(_is_of(scope, changed.key)).values(**_configuration(changed)))
    await save_event_types(tx, scope, changed.key, changed.told_of)


async def delete_webhook(tx: AsyncConnection, scope: ProjectScope, key: int) -> None:
    """Delete a webhook with its deliveries."""
    await tx.execute(delete(webhooks).where(_is_of(scope, key)))
    await delete_subscriber(tx, scope, key)


async def get_webhook(
    tx: ReadTransaction, scope: ProjectScope, webhook_id: str, *, for_update: bool = False
) -> Webhook:
    """Return a webhook by its public id.

    Args:
        tx: Open transaction.
        scope: Whose webhooks.
        webhook_id: Public id.
        for_update: Keep others from changing it until the transaction ends.

    Raises:
        NotFoundError: There is no such webhook.
    """
    query = select(webhooks).where(webhooks.c.public_id == webhook_id, webhooks.c.project_id == scope.project_id)
    if for_update:
        query = query.with_for_update()
    row = (await tx.execute(query)).one_or_none() if is_id_text(webhook_id) else None
    if row is None:
        raise NotFoundError("Webhook endpoint", webhook_id, "webhook_endpoint_id")
    return _webhook(row)


async def find_webhook(
    tx: ReadTransaction, scope: ProjectScope, key: int, *, for_update: bool = False
) -> Webhook | None:
    """Return a webhook by its internal number; None if there is none."""
    query = select(webhooks).where(_is_of(scope, key))
    if for_update:
        query = query.with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _webhook(row)


async def list_webhooks(tx: ReadTransaction, scope: ProjectScope, page: PageRequest) -> Page[Webhook]:
    """Return a page of the webhooks of a project.

    Raises:
        InvalidRequestError: `after` does not name one of them.
    """
    of_project = webhooks.c.project_id == scope.project_id
    after = await find_position(tx, _KEY, of_project, page.after, ("webhook endpoint", (WEBHOOK_PREFIX,)))
    query = page_of(select(webhooks).where(of_project), _KEY, page.order, is_first=after is None)
    rows = (await tx.execute(query, page_values(page, after))).all()
    return Page([_webhook(row) for row in rows[: page.limit]], len(rows) > page.limit)


async def count_webhooks(tx: ReadTransaction, scope: ProjectScope) -> int:
    """Return how many webhooks a project has."""
    query = select(func.count()).select_from(webhooks).where(webhooks.c.project_id == scope.project_id)
    return (await tx.execute(query)).scalar_one()


async def has_webhooks(tx: ReadTransaction, _scope: EngineScope) -> bool:
    """Tell whether any project has a webhook."""
    return (await tx.execute(select(webhooks.c.subscriber_key).limit(1))).first() is not None


async def save_arrival(tx: AsyncConnection, scope: ProjectScope, key: int, at: int) -> None:
    """Record that an event arrived."""
    values = {"failing_since": None, "last_delivered_at": at, "problem": None}
    await tx.execute(update(webhooks).where(_is_of(scope, key)).values(**values))


async def save_problem(tx: AsyncConnection, scope: ProjectScope, key: int, problem: str, at: int) -> None:
    """Record that an event did not arrive."""
    since = func.coalesce(webhooks.c.failing_since, at)
    await tx.execute(update(webhooks).where(_is_of(scope, key)).values(failing_since=since, problem=problem))


def _is_of(scope: ProjectScope, key: int) -> ColumnElement[bool]:
    return (webhooks.c.subscriber_key == key) & (webhooks.c.project_id == scope.project_id)


def _configuration(webhook: Webhook) -> dict[str, Any]:
    return {
        "updated_at": webhook.updated_at,
        "name": webhook.name,
        "url": webhook.url,
        "event_types": list(webhook.event_types),
        "format": webhook.format,
        "sealed_secret": webhook.sealed_secret,
        "secret_hint": webhook.secret_hint,
        "previous_secret": webhook.previous_secret,
        "previous_until": webhook.previous_until,
        "off_since": webhook.off_since,
        "off_reason": webhook.off_reason,
        "failing_since": webhook.failing_since,
        "problem": webhook.problem or None,
    }


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=WebhookId(row.public_id),
        scope=ProjectScope(row.project_id),
        created_at=row.created_at,
        updated_at=row.updated_at,
        name=row.name,
        url=row.url,
        event_types=tuple(row.event_types),
        format=WebhookFormat(row.format),
        sealed_secret=row.sealed_secret,
        secret_hint=row.secret_hint,
        previous_secret=row.previous_secret,
        previous_until=row.previous_until,
        off_since=row.off_since,
        off_reason=None if row.off_reason is None else OffReason(row.off_reason),
        failing_since=row.failing_since,
        last_delivered_at=row.last_delivered_at,
        problem=row.problem or "",
        key=row.subscriber_key,
    )
