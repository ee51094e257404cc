"""How the calls of a run go at each worker that executes a part of it, told again every second while they do."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.queue.tables import run_flows
from evalhaven.storage.tables import runs

_FORGOTTEN_AFTER_S = 60


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
    of_run = (runs.c.key == run_key) & (runs.c.project_id == scope.project_id)
    run = (await tx.execute(select(runs.c.flow).where(of_run).with_for_update())).scalar_one()
    # The transaction may have begun long before it got the lock.
    counts = (run_flows.c.held_until >= func.clock_timestamp()).label("counts")
    query = select(run_flows.c.worker_id, run_flows.c.flow, counts).where(run_flows.c.run_key == run_key)
    parts = (await tx.execute(query.order_by(run_flows.c.worker_id))).all()
    own = [part.flow for part in parts if part.worker_id == worker_id]
    others = [part.flow for part in parts if part.worker_id != worker_id and part.counts]
    return ToldFlows(run, own[0] if own else None, others)


async def hold_flow(
    tx: AsyncConnection, _scope: ProjectScope, run_key: int, worker_id: int, flow: JsonObject, lease_s: float
) -> None:
    """Tell how a worker's calls go; it counts for some seconds."""
    until = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s)
    new = insert(run_flows).values(run_key=run_key, worker_id=worker_id, flow=flow, held_until=until)
    columns = [run_flows.c.run_key, run_flows.c.worker_id]
    changed = {name: new.excluded[name] for name in ("flow", "held_until")}
    await tx.execute(new.on_conflict_do_update(index_elements=columns, set_=changed))


async def forget_flows(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete what has not counted for a minute."""
    old = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, _FORGOTTEN_AFTER_S)
    await tx.execute(delete(run_flows).where(run_flows.c.held_until < old))
