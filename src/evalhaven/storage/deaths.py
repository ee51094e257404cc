"""Which process evaluates a run, and how many processes died while they did."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.reading import ReadTransaction, WriteTransaction
from evalhaven.storage.tables import is_active_run, runs


async def save_evaluation(
    tx: WriteTransaction, scope: ProjectScope, key: int, evaluated_by: str | None, deaths: int | None = None
) -> None:
    """Record which process evaluates chunks of a run.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        key: The run.
        evaluated_by: The process; None: no process does.
        deaths: How many processes died of it in a row; None leaves the stored number.
    """
    of_run = (runs.c.key == key) & (runs.c.project_id == scope.project_id)
    values = {"evaluated_by": evaluated_by} if deaths is None else {"evaluated_by": evaluated_by, "deaths": deaths}
    await tx.execute(update(runs).where(of_run).values(values))


async def lock_suspects(tx: ReadTransaction, _scope: EngineScope, deaths: int) -> dict[int, str | None]:
    """Lock the active runs of which at least this many processes died; return, by run key, the process evaluating each.

    Runs are locked in a fixed order, so that concurrent callers wait for each other and see what the first one wrote.
    """
    query = select(runs.c.key, runs.c.evaluated_by).where(is_active_run, runs.c.deaths >= deaths)
    found = await tx.execute(query.order_by(runs.c.key).with_for_update())
    return {row.key: row.evaluated_by for row in found}


async def has_evaluated_runs(tx: AsyncConnection, _scope: EngineScope) -> bool:
    """Tell whether chunks of any run are being evaluated, or were when their process ended."""
    query = select(runs.c.key).where(is_active_run, runs.c.evaluated_by.is_not(None)).limit(1)
    return (await tx.execute(query)).one_or_none() is not None


async def forget_evaluations(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Record that no run is being evaluated: the process that did was stopped in an orderly way."""
    await tx.execute(update(runs).where(is_active_run, runs.c.evaluated_by.is_not(None)).values(evaluated_by=None))
