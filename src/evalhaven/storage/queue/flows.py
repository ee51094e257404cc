"""How the calls of a run go at each worker that executes a part of it, told again every second while they do."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Float, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.queue.tables import run_flows
from evalhaven.storage.tables import runs

_FORGOTTEN_AFTER_S = 60
# Statements that are executed again and again are made once.
_LOCKED = (
    select(runs.c.flow)
    .where(runs.c.key == bindparam("of_run"), runs.c.project_id == bindparam("of_project"))
    .with_for_update()
)
_PARTS = (
    select(
        run_flows.c.worker_id,
        run_flows.c.flow,
        # The transaction may have begun long before it got the lock.
        (run_flows.c.held_until >= func.clock_timestamp()).label("counts"),
    )
    .where(run_flows.c.run_key == bindparam("of_run"))
    .order_by(run_flows.c.worker_id)
)
_TELL = insert(run_flows).values(
    held_until=func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("lease_s", type_=Float))
)
_HOLD = _TELL.on_conflict_do_update(
    index_elements=[run_flows.c.run_key, run_flows.c.worker_id],
    set_={"flow": _TELL.excluded.flow, "held_until": _TELL.excluded.held_until},
)


@dataclass(frozen=True, slots=True)
class ToldFlows:
    """What is stored of a run's calls.

    Attributes:
        run: Of all workers together; None before the first time.
        own: What this worker told last; None if it has not told anything.
        others: What the others told last, as far as that still counts.
    """

    run: JsonObject | None
    own: JsonObject | None
    others: Sequence[JsonObject]


async def lock_flows(tx: AsyncConnection, scope: ProjectScope, run_key: int, worker_id: int) -> ToldFlows:
    """Return what is stored of a run's calls; until the transaction ends nobody else tells anything."""
    run = (await tx.execute(_LOCKED, {"of_run": run_key, "of_project": scope.project_id})).scalar_one()
    parts = (await tx.execute(_PARTS, {"of_run": run_key})).all()
    own = [part.flow for part in parts if part.worker_id == worker_id]
    others = [part.flow for part in parts if part.worker_id != worker_id and part.counts]
    return ToldFlows(run, own[0] if own else None, others)


async def hold_flow(
    tx: AsyncConnection, _scope: ProjectScope, run_key: int, worker_id: int, flow: JsonObject, lease_s: float
) -> None:
    """Tell how a worker's calls go; it counts for some seconds."""
    values = {"run_key": run_key, "worker_id": worker_id, "flow": flow, "lease_s": lease_s}
    await tx.execute(_HOLD, values)


async def forget_flows(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete what has not counted for a minute."""
    old = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, _FORGOTTEN_AFTER_S)
    await tx.execute(delete(run_flows).where(run_flows.c.held_until < old))
