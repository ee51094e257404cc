"""Queries on the outbox: events, and their subscribers.

A delivery is written in the transaction of its event. So a subscriber is told of everything committed since it
subscribed, in whatever order transactions end, and a subscriber that cannot be reached does not hold up the others.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, exists, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.tables import deliveries, delivery_attempts, events, subscribers

KEPT_S = 30 * 24 * 3600
_FORGOTTEN_AT_ONCE = 1000


_RECORD = insert(events).returning(events.c.key)
# Locked, so that no subscriber is removed before the transaction commits.
_PRESENT = (
    select(subscribers.c.key, subscribers.c.event_types)
    .where(subscribers.c.project_id == bindparam("of_project"))
    .with_for_update(read=True, key_share=True)
)


async def record_event(tx: WriteTransaction, scope: ProjectScope, event_type: str, object_id: str, at: int) -> None:
    """Record the event of a change, in the transaction that makes the change; who subscribed to such will be told."""
    values = {"project_id": scope.project_id, "created_at": at, "type": event_type, "object_id": object_id}
    key = (await tx.execute(_RECORD, values)).scalar_one()
    rows = (await tx.execute(_PRESENT, {"of_project": scope.project_id})).all()
    keys = [row.key for row in rows if row.event_types is None or event_type in row.event_types]
    if keys:
        due = {"event_key": key, "project_id": scope.project_id, "due_at": at}
        await tx.execute(insert(deliveries), [{"subscriber_key": each, **due} for each in keys])


async def insert_subscriber(
    tx: AsyncConnection, scope: ProjectScope, name: str, at: int, event_types: Sequence[str] | None = None
) -> int:
    """Store a subscriber to a project's events from now on; return its internal number.

    Args:
        tx: Open write transaction.
        scope: Whose events.
        name: Its own within the project.
        at: Unix second.
        event_types: The types of events it is told of; None: all.
    """
    types = None if event_types is None else list(event_types)
    values = {"project_id": scope.project_id, "name": name, "created_at": at, "event_types": types}
    return (await tx.execute(insert(subscribers).returning(subscribers.c.key).values(values))).scalar_one()


async def save_event_types(tx: AsyncConnection, scope: ProjectScope, key: int, event_types: Sequence[str]) -> None:
    """Replace the types of the events that a subscriber is told of from now on."""
    of_subscriber = (subscribers.c.key == key) & (subscribers.c.project_id == scope.project_id)
    await tx.execute(update(subscribers).where(of_subscriber).values(event_types=list(event_types)))


async def delete_subscriber(tx: AsyncConnection, scope: ProjectScope, key: int) -> None:
    """Delete a subscriber and its deliveries."""
    of_subscriber = (subscribers.c.key == key) & (subscribers.c.project_id == scope.project_id)
    # Locked first, to wait for an event that is being recorded and then find its delivery.
    if (await tx.execute(select(subscribers.c.key).where(of_subscriber).with_for_update())).one_or_none() is None:
        return
    await tx.execute(delete(delivery_attempts).where(delivery_attempts.c.subscriber_key == key))
    await tx.execute(delete(deliveries).where(deliveries.c.subscriber_key == key))
    await tx.execute(delete(subscribers).where(of_subscriber))


async def forget_events(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """Delete a batch of events that are older than 30 days and not still to be delivered."""
    is_awaited = exists().where(deliveries.c.event_key == events.c.key, deliveries.c.due_at.is_not(None))
    oldest = select(events.c.key).where(events.c.created_at < now - KEPT_S, ~is_awaited)
    keys = (await tx.execute(oldest.order_by(events.c.created_at).limit(_FORGOTTEN_AT_ONCE))).scalars().all()
    if keys:
        # Found by the deliveries: attempts have no index on events of their own.
        told = select(deliveries.c.subscriber_key, deliveries.c.event_key).where(deliveries.c.event_key.in_(keys))
        of_attempt = tuple_(delivery_attempts.c.subscriber_key, delivery_attempts.c.event_key)
        await tx.execute(delete(delivery_attempts).where(of_attempt.in_(told)))
        await tx.execute(delete(deliveries).where(deliveries.c.event_key.in_(keys)))
        await tx.execute(delete(events).where(events.c.key.in_(keys)))
