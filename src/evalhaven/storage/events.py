"""Queries on the outbox: events, who is told of them, and how far each event has got with each subscriber.

A delivery is written in the transaction of its event. So a subscriber is told of all that was committed since it is
there, in whatever order transactions end, and one that cannot be reached holds up no other.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope, ProjectScope
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
    """An event that a subscriber is to be told of, was told of, or could not be told of.

    Attributes:
        subscriber_key: Who.
        attempts: How often it was tried.
        due_at: Unix second of the next attempt; None: there is none.
        delivered_at: Unix second at which it arrived.
        problem: Why the last attempt failed; "" where it did not.
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


async def record_event(tx: AsyncConnection, scope: ProjectScope, event_type: str, object_id: str, at: int) -> None:
    """Tell the outbox of a change, in the transaction that makes it; every subscriber there is will be told."""
    values = {"project_id": scope.project_id, "created_at": at, "type": event_type, "object_id": object_id}
    key = (await tx.execute(insert(events).returning(events.c.key).values(values))).scalar_one()
    # Locked, so that none of them is removed before this commits.
    told = select(subscribers.c.key).where(subscribers.c.project_id == scope.project_id)
    keys = (await tx.execute(told.with_for_update(read=True, key_share=True))).scalars().all()
    if keys:
        due = {"event_key": key, "project_id": scope.project_id, "due_at": at}
        await tx.execute(insert(deliveries), [{"subscriber_key": each, **due} for each in keys])


async def insert_subscriber(tx: AsyncConnection, scope: ProjectScope, name: str, at: int) -> int:
    """Store who is told of the events of a project from now on; return its internal number."""
    values = {"project_id": scope.project_id, "name": name, "created_at": at}
    return (await tx.execute(insert(subscribers).returning(subscribers.c.key).values(values))).scalar_one()


async def delete_subscriber(tx: AsyncConnection, scope: ProjectScope, key: int) -> None:
    """Forget a subscriber and what it was, or was to be, told."""
    of_subscriber = (subscribers.c.key == key) & (subscribers.c.project_id == scope.project_id)
    # Locked first: an event that is just being recorded is waited for, and its delivery then found.
    if (await tx.execute(select(subscribers.c.key).where(of_subscriber).with_for_update())).one_or_none() is None:
        return
    await tx.execute(delete(deliveries).where(deliveries.c.subscriber_key == key))
    await tx.execute(delete(subscribers).where(of_subscriber))


async def list_due_deliveries(tx: AsyncConnection, _scope: EngineScope, now: int, limit: int) -> list[Delivery]:
    """Return what is to be tried now, of all projects, what has waited longest first."""
    query = _DELIVERY.where(deliveries.c.due_at.is_not(None), deliveries.c.due_at <= now)
    rows = (await tx.execute(query.order_by(deliveries.c.due_at).limit(limit))).all()
    return [_delivery(row) for row in rows]


async def list_deliveries(
    tx: AsyncConnection, scope: ProjectScope, subscriber_key: int, limit: int, before: int | None = None
) -> list[Delivery]:
    """Return what a subscriber was, or is to be, told, newest event first.

    Args:
        tx: Open transaction.
        scope: Whose subscriber.
        subscriber_key: The subscriber.
        limit: Deliveries at the most.
        before: Only events older than this one, by its internal number.
    """
    query = _DELIVERY.where(deliveries.c.subscriber_key == subscriber_key, deliveries.c.project_id == scope.project_id)
    if before is not None:
        query = query.where(deliveries.c.event_key < before)
    rows = (await tx.execute(query.order_by(deliveries.c.event_key.desc()).limit(limit))).all()
    return [_delivery(row) for row in rows]


async def save_delivered(tx: AsyncConnection, scope: ProjectScope, delivery: Delivery, at: int) -> None:
    """Write that a subscriber was told."""
    values = {"attempts": delivery.attempts + 1, "due_at": None, "delivered_at": at, "problem": None}
    await tx.execute(update(deliveries).where(_is_open(scope, delivery)).values(values))


async def save_failure(
    tx: AsyncConnection, scope: ProjectScope, delivery: Delivery, problem: str, due_at: int | None
) -> None:
    """Write that an attempt failed.

    Args:
        tx: Open write transaction.
        scope: Whose subscriber.
        delivery: What was tried.
        problem: Why it failed.
        due_at: When it is tried again; None: it is given up.
    """
    values = {"attempts": delivery.attempts + 1, "due_at": due_at, "problem": problem}
    await tx.execute(update(deliveries).where(_is_open(scope, delivery)).values(values))


async def forget_events(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """Forget events that are older than 30 days and that nobody is still to be told of, a batch of them."""
    is_awaited = exists().where(deliveries.c.event_key == events.c.key, deliveries.c.due_at.is_not(None))
    oldest = select(events.c.key).where(events.c.created_at < now - KEPT_S, ~is_awaited)
    keys = (await tx.execute(oldest.order_by(events.c.created_at).limit(_FORGOTTEN_AT_ONCE))).scalars().all()
    if keys:
        await tx.execute(delete(deliveries).where(deliveries.c.event_key.in_(keys)))
        await tx.execute(delete(events).where(events.c.key.in_(keys)))


def _is_open(scope: ProjectScope, delivery: Delivery) -> ColumnElement[bool]:
    # What arrived has arrived, whatever another attempt came to.
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
