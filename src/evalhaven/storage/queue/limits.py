"""The parts that workers have of limits which they share: held for a moment, and again before that is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.queue.tables import limit_shares

_LOCK = 0x65_76_61_6E  # of PostgreSQL's advisory locks
_FORGOTTEN_AFTER_S = 60
# Statements that are executed again and again are made once.
_LOCK_ALL = select(func.pg_advisory_xact_lock(_LOCK))
_HELD = select(
    limit_shares, func.extract("epoch", limit_shares.c.paused_until - func.clock_timestamp()).label("pause_s")
).where(
    limit_shares.c.name.in_(bindparam("names", expanding=True)),
    # The transaction may have begun long before it got the lock.
    limit_shares.c.held_until >= func.clock_timestamp(),
)


@dataclass(frozen=True, slots=True)
class LimitShare:
    """What one worker has of a limit.

    Attributes:
        name: Of the limit.
        worker_id: The worker.
        slots: How many of the slots are the worker's.
        wanted: How many it would use.
        pause_s: For how long the endpoint has asked it to wait; 0.0 if it has not.
    """

    name: str
    worker_id: int
    slots: int
    wanted: int
    pause_s: float = 0.0


async def lock_limits(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Wait until no other worker changes what is shared; until the transaction ends none will."""
    await tx.execute(_LOCK_ALL)


async def list_shares(tx: AsyncConnection, _scope: EngineScope, names: Sequence[str]) -> list[LimitShare]:
    """Return all parts of limits that are held now; what is shared is locked."""
    return [
        LimitShare(row.name, row.worker_id, row.slots, row.wanted, max(0.0, float(row.pause_s or 0)))
        for row in (await tx.execute(_HELD, {"names": list(names)})).all()
    ]


async def hold_shares(tx: AsyncConnection, _scope: EngineScope, shares: Sequence[LimitShare], lease_s: float) -> None:
    """Hold parts of limits for some seconds, instead of those that the worker held before."""
    values = [
        {
            "name": share.name,
            "worker_id": share.worker_id,
            "slots": share.slots,
            "wanted": share.wanted,
            "held_until": _in(lease_s),
            "paused_until": _in(share.pause_s) if share.pause_s else None,
        }
        for share in shares
    ]
    new = insert(limit_shares).values(values)
    columns = [limit_shares.c.name, limit_shares.c.worker_id]
    changed = {name: new.excluded[name] for name in ("slots", "wanted", "held_until", "paused_until")}
    await tx.execute(new.on_conflict_do_update(index_elements=columns, set_=changed))


async def forget_shares(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete the parts that nobody has held for a minute."""
    old = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, _FORGOTTEN_AFTER_S)
    await tx.execute(delete(limit_shares).where(limit_shares.c.held_until < old))


def _in(seconds: float) -> ColumnElement[Any]:
    return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
