"""The parts that workers have of limits which they share: held for a moment, and again before that is over."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.queue.tables import limit_shares

_LOCK = 0x65_76_61_6E  # of PostgreSQL's advisory locks
_FORGOTTEN_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class LimitShare:
    """What one worker has of a limit.

    Attributes:
        name: Of the limit.
        worker_id: The worker.
        slots: How many of the slots are the worker's.
        wanted: How many it would use.
    """

    name: str
    worker_id: int
    slots: int
    wanted: int


async def lock_limits(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Wait until no other worker changes what is shared; until the transaction ends none will."""
    await tx.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def list_shares(tx: AsyncConnection, _scope: EngineScope, names: Sequence[str]) -> list[LimitShare]:
    """Return all parts of limits that are held now; what is shared is locked."""
    query = select(limit_shares).where(
        limit_shares.c.name.in_(names),
        # The transaction may have begun long before it got the lock.
        limit_shares.c.held_until >= func.clock_timestamp(),
    )
    return [LimitShare(row.name, row.worker_id, row.slots, row.wanted) for row in (await tx.execute(query)).all()]


async def hold_shares(tx: AsyncConnection, _scope: EngineScope, shares: Sequence[LimitShare], lease_s: float) -> None:
    """Hold parts of limits for some seconds, instead of those that the worker held before."""
    until = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s)
    values = [
        {"name": s.name, "worker_id": s.worker_id, "slots": s.slots, "wanted": s.wanted, "held_until": until}
        for s in shares
    ]
    new = insert(limit_shares).values(values)
    columns = [limit_shares.c.name, limit_shares.c.worker_id]
    changed = {name: new.excluded[name] for name in ("slots", "wanted", "held_until")}
    await tx.execute(new.on_conflict_do_update(index_elements=columns, set_=changed))


async def forget_shares(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete the parts that nobody has held for a minute."""
    old = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, _FORGOTTEN_AFTER_S)
    await tx.execute(delete(limit_shares).where(limit_shares.c.held_until < old))
