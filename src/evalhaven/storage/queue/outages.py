"""Which endpoints are gone, as workers tell each other: a row while an outage lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.outages import Outage
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.queue.tables import outages

_HELD_S = 5.0  # a worker that waits for the end says so twice a second
_FORGOTTEN_AFTER_S = 600
_NOW = func.clock_timestamp()
_OUTAGES = select(  # made once, as it is executed twice a second
    outages.c.endpoint,
    func.extract("epoch", _NOW - outages.c.since).label("lasts_s"),
    outages.c.error,
    outages.c.is_unreached,
    (outages.c.held_until >= _NOW).label("is_held"),
    (outages.c.next_probe_at <= _NOW).label("is_probe_due"),
    outages.c.probe_every_s,
).where(outages.c.endpoint.in_(bindparam("endpoints", expanding=True)))


@dataclass(frozen=True, slots=True)
class StoredOutage:
    """An outage that workers know of.

    Attributes:
        outage: As they told it.
        is_held: Whether any worker has said lately that it goes on.
        is_probe_due: Whether it is time to try the endpoint.
        probe_every_s: After how many seconds it was to be tried.
    """

    outage: Outage
    is_held: bool
    is_probe_due: bool
    probe_every_s: float


async def list_outages(tx: AsyncConnection, _scope: EngineScope, endpoints: Sequence[str]) -> dict[str, StoredOutage]:
    """Return the outages of some endpoints, by their names; the caller has locked the limits of all workers."""
    return {
        row.endpoint: StoredOutage(
            Outage(float(row.lasts_s), ItemError(*row.error), row.is_unreached),
            row.is_held,
            row.is_probe_due,
            row.probe_every_s,
        )
        for row in (await tx.execute(_OUTAGES, {"endpoints": list(endpoints)})).all()
    }


async def begin_outage(
    tx: AsyncConnection, _scope: EngineScope, endpoint: str, outage: Outage, first_probe_s: float
) -> None:
    """Store an outage that nobody else knows of, instead of one that nobody holds any more."""
    values = {
        "since": _in(-outage.lasts_s),
        "next_probe_at": _in(first_probe_s),
        "probe_every_s": first_probe_s,
        **_state(outage),
    }
    new = insert(outages).values(endpoint=endpoint, **values)
    await tx.execute(new.on_conflict_do_update(index_elements=[outages.c.endpoint], set_=values))


async def hold_outage(
    tx: AsyncConnection, _scope: EngineScope, endpoint: str, outage: Outage, next_probe_s: float | None = None
) -> None:
    """Say that an outage goes on.

    Args:
        tx: Open write transaction.
        endpoint: Which endpoint is gone.
        outage: How this worker sees it.
        next_probe_s: After how many seconds somebody tries again, where this worker tries now.
    """
    values = _state(outage)
    if next_probe_s is not None:
        values |= {"next_probe_at": _in(next_probe_s), "probe_every_s": next_probe_s}
    await tx.execute(outages.update().where(outages.c.endpoint == endpoint).values(values))


async def end_outage(tx: AsyncConnection, _scope: EngineScope, endpoint: str) -> None:
    """Delete an outage: the endpoint has answered."""
    await tx.execute(delete(outages).where(outages.c.endpoint == endpoint))


async def forget_outages(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete the outages of which nobody has said for ten minutes that they go on."""
    await tx.execute(delete(outages).where(outages.c.held_until < _in(-_FORGOTTEN_AFTER_S)))


def _state(outage: Outage) -> dict[str, object]:
    error = outage.error
    said = [error.code, error.message, error.origin, error.retryable]
    return {"error": said, "is_unreached": outage.is_unreached, "held_until": _in(_HELD_S)}


def _in(seconds: float) -> ColumnElement[Any]:
    return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
