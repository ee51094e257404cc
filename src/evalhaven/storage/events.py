"""Queries on the outbox: events, their subscribers, and the state of each event's delivery to each subscriber.

A delivery is written in the transaction of its event. So a subscriber is told of everything committed since it
subscribed, in whatever order transactions end, and a subscriber that cannot be reached does not hold up the others.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.tables import deliveries, events, subscribers

KEPT_S = 30 * 24 * 3600
_FORGOTTEN_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object of a project."""

    key: int
    type: str
    object_id: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for one subscriber: to be delivered, delivered, or given up.

    Attributes:
        subscriber_key: Internal number of the subscriber.
        attempts: How many times delivery was tried.
        due_at: Unix second of the next attempt; None: there will be none.
        delivered_at: Unix second at which it arrived.
        problem: Why the last attempt failed; "" if it did not.
    """

    scope: ProjectScope
    subscriber_key: int
    event: Event
    attempts: int
    due_at: int | None
    delivered_at: int | None
    problem: str


_DELIVERY = select(deliveries, events.c.type, events.c.object_id, events.c.created_at.label("happened_at")).join(
    events, deliveries.c.event_key == events.c.key
)
_RECORD = insert(events).returning(events.c.key)
# Locked, so that no subscriber is removed before the transaction commits.
_TOLD = (
    select(subscribers.c.key)
    .where(subscribers.c.project_id == bindparam("of_project"))
    .with_for_update(read=True, key_share=True)
)


async def record_event(tx: WriteTransaction, scope: ProjectScope, event_type: str, object_id: str, at: int) -> None:
    """Record the event of a change, in the transaction that makes the change; every present subscriber will be told."""
    values = {"project_id": scope.project_id, "created_at": at, "type": event_type, "object_id": object_id}
    key = (await tx.execute(_RECORD, values)).scalar_one()
    keys = (await tx.execute(_TOLD, {"of_project": scope.project_id})).scalars().all()
    if keys:
        due = {"event_key": key, "project_id": scope.project_id, "due_at": at}
        await tx.execute(insert(deliveries), [{"subscriber_key": each, **due} for each in keys])


async def insert_subscriber(tx: AsyncConnection, scope: ProjectScope, name: str, at: int) -> int:
    """Store a subscriber to a project's events from now on; return its internal number."""
    values = {"project_id": scope.project_id, "name": name, "created_at": at}
    return (await tx.execute(insert(subscribers).returning(subscribers.c.key).values(values))).scalar_one()


async def delete_subscriber(tx: AsyncConnection, scope: ProjectScope, key: int) -> None:
    """Delete a subscriber and its deliveries."""
    of_subscriber = (subscribers.c.key == key) & (subscribers.c.project_id == scope.project_id)
    # Locked first, to wait for an event that is being recorded and then find its delivery.
    if (await tx.execute(select(subscribers.c.key).where(of_subscriber).with_for_update())).one_or_none() is None:
        return
    await tx.execute(delete(deliveries).where(deliveries.c.subscriber_key == key))
    await tx.execute(delete(subscribers).where(of_subscriber))


async def list_due_deliveries(tx: AsyncConnection, _scope: EngineScope, now: int, limit: int) -> list[Delivery]:
    """Return the deliveries of all projects to be tried now, those that have waited longest first."""
    query = _DELIVERY.where(deliveries.c.due_at.is_not(None), deliveries.c.due_at <= now)
    rows = (await tx.execute(query.order_by(deliveries.c.due_at).limit(limit))).all()
    return [_delivery(row) for row in rows]


async def list_deliveries(
    tx: AsyncConnection, scope: ProjectScope, subscriber_key: int, limit: int, before: int | None = None
) -> list[Delivery]:
    """Return the deliveries to a subscriber, newest event first.

    Args:
        tx: Open transaction.
        scope: Whose subscriber.
        subscriber_key: The subscriber.
        limit: The most deliveries to return.
        before: Return only events older than the one with this internal number.
    """
    query = _DELIVERY.where(deliveries.c.subscriber_key == subscriber_key, deliveries.c.project_id == scope.project_id)
    if before is not None:
        query = query.where(deliveries.c.event_key < before)
    rows = (await tx.execute(query.order_by(deliveries.c.event_key.desc()).limit(limit))).all()
    return [_delivery(row) for row in rows]


async def save_delivered(tx: AsyncConnection, scope: ProjectScope, delivery: Delivery, at: int) -> None:
    """Record that an event was delivered."""
    values = {"attempts": delivery.attempts + 1, "due_at": None, "delivered_at": at, "problem": None}
    await tx.execute(update(deliveries).where(_is_open(scope, delivery)).values(values))


async def save_failure(
    tx: AsyncConnection, scope: ProjectScope, delivery: Delivery, problem: str, due_at: int | None
) -> None:
    """Record that an attempt failed.

    Args:
        tx: Open write transaction.
        scope: Whose subscriber.
        delivery: The delivery that was tried.
        problem: Why the attempt failed.
        due_at: Unix second of the next attempt; None gives up.
    """
    values = {"attempts": delivery.attempts + 1, "due_at": due_at, "problem": problem}
    await tx.execute(update(deliveries).where(_is_open(scope, delivery)).values(values))


async def forget_events(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """Delete a batch of events that are older than 30 days and not still to be delivered."""
    is_awaited = exists().where(deliveries.c.event_key == events.c.key, deliveries.c.due_at.is_not(None))
    oldest = select(events.c.key).where(events.c.created_at < now - KEPT_S, ~is_awaited)
    keys = (await tx.execute(oldest.order_by(events.c.created_at).limit(_FORGOTTEN_AT_ONCE))).scalars().all()
    if keys:
        await tx.execute(delete(deliveries).where(deliveries.c.event_key.in_(keys)))
        await tx.execute(delete(events).where(events.c.key.in_(keys)))


def _is_open(scope: ProjectScope, delivery: Delivery) -> ColumnElement[bool]:
    # Once delivered, an event stays delivered, whatever another attempt resulted in.
    return and_(
        deliveries.c.subscriber_key == delivery.subscriber_key,
        deliveries.c.event_key == delivery.event.key,
        deliveries.c.project_id == scope.project_id,
        deliveries.c.delivered_at.is_(None),
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        scope=ProjectScope(row.project_id),
        subscriber_key=row.subscriber_key,
        event=Event(row.event_key, row.type, row.object_id, row.happened_at),
        attempts=row.attempts,
        due_at=row.due_at,
        delivered_at=row.delivered_at,
        problem=row.problem or "",
    )
