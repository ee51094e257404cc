"""How a run goes on from one chunk to the next, in the transactions that hold its row."""

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine
from evalhaven.storage.queue.jobs import submit_chunks
from evalhaven.storage.run_writes import save_status
from evalhaven.storage.runs import get_run_by_key


async def go_on(engine: Engine, tx: AsyncConnection, run: Run, workers: int) -> Run | None:
    """Submit the next chunks of a planned run, which is locked, or complete it; return it if it is completed."""
    if await submit_chunks(tx, run.scope, run.key, workers):
        return None
    current = await get_run_by_key(tx, run.scope, run.key, for_update=True)
    if not current.status.can_become(RunStatus.COMPLETED):
        return None
    at = int(engine.clock.now())
    completed = current.to(RunStatus.COMPLETED, at)
    await save_status(tx, run.scope, completed, at)
    return completed
