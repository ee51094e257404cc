"""Which process evaluates a run, and how many of them died of it."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.tables import is_active_run, runs


async def save_evaluation(
    tx: AsyncConnection, scope: ProjectScope, key: int, evaluated_by: str | None, deaths: int | None = None
) -> None:
    """Write which process evaluates chunks of a run.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        key: The run.
        evaluated_by: The process; None: nobody does.
        deaths: How many died of it in a row; None: what is known stays.
    """
    of_run = (runs.c.key == key) & (runs.c.project_id == scope.project_id)
    values = {"evaluated_by": evaluated_by} if deaths is None else {"evaluated_by": evaluated_by, "deaths": deaths}
    await tx.execute(update(runs).where(of_run).values(values))


async def lock_suspects(tx: AsyncConnection, _scope: EngineScope, deaths: int) -> dict[int, str | None]:
    """Lock the active runs of which so many processes died, or more; return who evaluates each, by the run's key.

    Always in the same order, so that those who ask at the same time wait for each other instead of seeing nobody.
    """
    query = select(runs.c.key, runs.c.evaluated_by).where(is_active_run, runs.c.deaths >= deaths)
    found = await tx.execute(query.order_by(runs.c.key).with_for_update())
    return {row.key: row.evaluated_by for row in found}


async def has_evaluated_runs(tx: AsyncConnection, _scope: EngineScope) -> bool:
    """Tell whether chunks of any run are being evaluated, or were so when their process ended."""
    query = select(runs.c.key).where(is_active_run, runs.c.evaluated_by.is_not(None)).limit(1)
    return (await tx.execute(query)).one_or_none() is not None


async def forget_evaluations(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Write that nobody evaluates any run: the process that did was stopped in good order."""
    await tx.execute(update(runs).where(is_active_run, runs.c.evaluated_by.is_not(None)).values(evaluated_by=None))
