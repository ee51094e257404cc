"""What workers have told each other that a project's runs cost in a month: as calls end, before items are stored."""

from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import MonthCost
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.queue.tables import month_guards
from evalhaven.storage.tables import is_active_run, runs

_FORGOTTEN_AFTER_S = 60  # a worker may have something to tell of runs that have just ended
# Statements that are executed again and again are made once.
_IS_OF_MONTH = (month_guards.c.project_id == bindparam("of_project")) & (month_guards.c.month == bindparam("of_month"))
_TOLD = select(month_guards.c.cost).where(_IS_OF_MONTH)
_ADD = (
    update(month_guards)
    .where(_IS_OF_MONTH)
    .values(cost=month_guards.c.cost + bindparam("more"), told_at=func.now())
    .returning(month_guards.c.cost)
)
_INSERT = insert(month_guards).values(told_at=func.now())


async def tell_month_cost(tx: AsyncConnection, scope: ProjectScope, stored: MonthCost, cost: float) -> float:
    """Add to what workers have told of a month, and return what that comes to; it begins with what is stored.

    Args:
        tx: Open write transaction, which has locked what is shared.
        scope: The project.
        stored: The month, with what is stored of it.
        cost: US dollars that nobody has told yet; 0.0 costs no write.
    """
    of_month = {"of_project": scope.project_id, "of_month": stored.month}
    statement, values = (_ADD, {**of_month, "more": cost}) if cost else (_TOLD, of_month)
    told = (await tx.execute(statement, values)).scalar_one_or_none()
    if told is None:
        # Nobody spends anything before it has heard of the others, so all that was spent so far is stored.
        told = stored.spent + cost
        await tx.execute(_INSERT, {"project_id": scope.project_id, "month": stored.month, "cost": told})
    return told


async def forget_month_costs(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete what was told of projects that have had no run under way for a minute: by now it is stored."""
    goes_on = exists().where(runs.c.project_id == month_guards.c.project_id, is_active_run)
    old = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, _FORGOTTEN_AFTER_S)
    await tx.execute(delete(month_guards).where(month_guards.c.told_at < old, ~goes_on))
