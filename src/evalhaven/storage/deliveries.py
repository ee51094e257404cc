"""Queries on deliveries: the state of each event's delivery to each subscriber, and what became of each attempt.

A delivery that is being tried is due again when the time for that is over: if the process that tries it dies, another
one goes on, and what is tried once too often arrives with the same id.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.webhooks import Attempt, Delivery, Event, second_of_delivery
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import deliveries, delivery_attempts, events, webhooks

DeliveryStatus = Literal["pending", "retrying", "delivered", "failed"]

_DELIVERY = select(deliveries, events.c.type, events.c.object_id, events.c.created_at.label("happened_at")).join(
    events, deliveries.c.event_key == events.c.key
)
_WITH_STATUS: dict[DeliveryStatus, ColumnElement[bool]] = {
    "pending": deliveries.c.due_at.is_not(None) & (deliveries.c.attempts == 0),
    "retrying": deliveries.c.due_at.is_not(None) & (deliveries.c.attempts > 0),
    "delivered": deliveries.c.delivered_at.is_not(None),
    "failed": deliveries.c.due_at.is_(None) & deliveries.c.delivered_at.is_(None),
}


async def list_due_webhooks(
    tx: ReadTransaction, _scope: EngineScope, now: int, busy: Collection[int] = ()
) -> list[int]:
    """Return the webhooks of all projects to which something is to be delivered now, but for those that are busy."""
    is_due = exists().where(
        deliveries.c.subscriber_key == webhooks.c.subscriber_key,
        deliveries.c.due_at.is_not(None),
        deliveries.c.due_at <= now,
    )
    keys = (await tx.execute(select(webhooks.c.subscriber_key).where(is_due))).scalars()
    return [key for key in keys if key not in busy]


async def claim_deliveries(
    tx: AsyncConnection, _scope: EngineScope, subscriber_key: int, now: int, until: int, limit: int
) -> list[Delivery]:
    """Return deliveries to a subscriber that are due, those first that have waited longest, and put them off.

    Args:
        tx: Open write transaction.
        subscriber_key: The subscriber.
        now: Unix second.
        until: Unix second at which they are due again, unless it is known by then what became of them.
        limit: The most deliveries to return.
    """
    query = _DELIVERY.where(
        deliveries.c.subscriber_key == subscriber_key, deliveries.c.due_at.is_not(None), deliveries.c.due_at <= now
    )
    query = query.order_by(deliveries.c.due_at, deliveries.c.event_key).limit(limit)
    rows = (await tx.execute(query.with_for_update(of=deliveries, skip_locked=True))).all()
    if rows:
        of_claimed = deliveries.c.event_key.in_([row.event_key for row in rows])
        await tx.execute(
            update(deliveries)
            .where(deliveries.c.subscriber_key == subscriber_key, of_claimed)
            .values(due_at=until, tried_since=func.coalesce(deliveries.c.tried_since, now))
        )
    return [_delivery(row) for row in rows]


async def save_attempt(
    tx: AsyncConnection, scope: ProjectScope, delivery: Delivery, attempt: Attempt, due_at: int | None
) -> bool:
    """Record what became of an attempt; return whether it changed the state of the delivery.

    Once delivered, an event stays delivered, whatever another attempt resulted in.

    Args:
        tx: Open write transaction.
        scope: Whose subscriber.
        delivery: The delivery that was tried.
        attempt: What became of it.
        due_at: Unix second of the next attempt if this one failed; None gives up.
    """
    of_delivery = _is_of(scope, delivery)
    row = (await tx.execute(select(deliveries).where(of_delivery).with_for_update())).one_or_none()
    if row is None:
        return False
    of_attempts = and_(
        delivery_attempts.c.subscriber_key == delivery.subscriber_key,
        delivery_attempts.c.event_key == delivery.event.key,
    )
    number = (await tx.execute(select(func.max(delivery_attempts.c.number)).where(of_attempts))).scalar_one()
    await tx.execute(
        insert(delivery_attempts).values(
            subscriber_key=delivery.subscriber_key,
            event_key=delivery.event.key,
            number=(number or 0) + 1,
            project_id=scope.project_id,
            tried_at=attempt.at,
            latency_ms=attempt.latency_ms,
            status_code=attempt.status_code,
            reply=attempt.reply,
            problem=attempt.problem,
        )
    )
    if row.delivered_at is not None:
        return False
    values: dict[str, Any] = {"due_at": due_at, "problem": attempt.problem}
    if not attempt.problem:
        values = {"due_at": None, "delivered_at": attempt.at, "problem": None}
    await tx.execute(update(deliveries).where(of_delivery).values(attempts=row.attempts + 1, **values))
    return True


async def drop_delivery(tx: AsyncConnection, scope: ProjectScope, delivery: Delivery) -> None:
    """Delete a delivery that its subscriber does not want any more."""
    await tx.execute(delete(deliveries).where(_is_of(scope, delivery)))


async def give_up_deliveries(tx: AsyncConnection, scope: ProjectScope, subscriber_key: int, problem: str) -> None:
    """Give up what is still to be delivered to a subscriber."""
    await tx.execute(
        update(deliveries)
        .where(
            deliveries.c.subscriber_key == subscriber_key,
            deliveries.c.project_id == scope.project_id,
            deliveries.c.due_at.is_not(None),
        )
        .values(due_at=None, problem=problem)
    )


async def list_deliveries(
    tx: ReadTransaction,
    scope: ProjectScope,
    subscriber_key: int,
    limit: int,
    before: int | None = None,
    status: DeliveryStatus | None = None,
) -> list[Delivery]:
    """Return the deliveries to a subscriber, newest event first.

    Args:
        tx: Open transaction.
        scope: Whose subscriber.
        subscriber_key: The subscriber.
        limit: The most deliveries to return.
        before: Return only events older than the one with this internal number.
        status: Return only deliveries with this status.
    """
    query = _DELIVERY.where(deliveries.c.subscriber_key == subscriber_key, deliveries.c.project_id == scope.project_id)
    if before is not None:
        query = query.where(deliveries.c.event_key < before)
    if status is not None:
        query = query.where(_WITH_STATUS[status])
    rows = (await tx.execute(query.order_by(deliveries.c.event_key.desc()).limit(limit))).all()
    return [_delivery(row) for row in rows]


async def get_delivery(
    tx: ReadTransaction, scope: ProjectScope, subscriber_key: int, delivery_id: str, *, is_cursor: bool = False
) -> Delivery:
    """Return a delivery to a subscriber by its public id.

    Args:
        tx: Open transaction.
        scope: Whose subscriber.
        subscriber_key: The subscriber.
        delivery_id: Public id.
        is_cursor: Whether the id tells where a page begins.

    Raises:
        InvalidRequestError: There is no such delivery, and a page was to begin there.
        NotFoundError: There is no such delivery.
    """
    at = second_of_delivery(delivery_id)
    if at is not None:
        query = _DELIVERY.where(
            events.c.created_at == at,
            deliveries.c.subscriber_key == subscriber_key,
            deliveries.c.project_id == scope.project_id,
        )
        for row in (await tx.execute(query)).all():
            found = _delivery(row)
            if found.id == delivery_id:
                return found
    if is_cursor:
        raise InvalidRequestError(
            f"Invalid 'after': no delivery of this webhook has the id {delivery_id!r}. Pass the 'last_id' of the "
            "previous page.",
            param="after",
            code="invalid_cursor",
        )
    raise NotFoundError("Delivery", delivery_id, "delivery_id")


async def list_attempts(
    tx: ReadTransaction, scope: ProjectScope, subscriber_key: int, event_keys: Sequence[int]
) -> dict[int, list[Attempt]]:
    """Return the attempts to deliver events to a subscriber, by the internal number of the event, first one first."""
    query = select(delivery_attempts).where(
        delivery_attempts.c.subscriber_key == subscriber_key,
        delivery_attempts.c.project_id == scope.project_id,
        delivery_attempts.c.event_key.in_(event_keys),
    )
    found: dict[int, list[Attempt]] = {key: [] for key in event_keys}
    for row in (await tx.execute(query.order_by(delivery_attempts.c.event_key, delivery_attempts.c.number))).all():
        found[row.event_key].append(Attempt(row.tried_at, row.latency_ms, row.status_code, row.reply, row.problem))
    return found


async def ask_again(tx: AsyncConnection, scope: ProjectScope, delivery: Delivery, now: int) -> None:
    """Make a delivery due, whether it arrived, was given up, or waits for its next attempt."""
    await tx.execute(update(deliveries).where(_is_of(scope, delivery)).values(**_anew(now)))


async def ask_for_failed(tx: AsyncConnection, scope: ProjectScope, subscriber_key: int, now: int) -> int:
    """Make all deliveries to a subscriber due that were given up; return their number."""
    of_subscriber = (deliveries.c.subscriber_key == subscriber_key) & (deliveries.c.project_id == scope.project_id)
    asked = await tx.execute(update(deliveries).where(of_subscriber, _WITH_STATUS["failed"]).values(**_anew(now)))
    return asked.rowcount


def _anew(now: int) -> dict[str, int | None]:
    return {"due_at": now, "attempts": 0, "tried_since": None, "delivered_at": None}


def _is_of(scope: ProjectScope, delivery: Delivery) -> ColumnElement[bool]:
    return and_(
        deliveries.c.subscriber_key == delivery.subscriber_key,
        deliveries.c.event_key == delivery.event.key,
        deliveries.c.project_id == scope.project_id,
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
        tried_since=row.tried_since,
    )
