"""What a project's limits make of a run that is to be created or executed again."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import Limits, MonthCost, refuse_more_bytes, refuse_more_runs, refuse_spent_month
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Caution
from evalhaven.domain.run_options import Budget, RunOptions
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.access.limits import (
    count_active_runs,
    find_month_cost,
    get_limits,
    lock_project,
    measure_stored,
)
from evalhaven.storage.reading import ReadTransaction

_LOWERED = "is limited to ${0:,.2f}: the project may spend no more on one run. The run ends when that is spent."
_MONTH = (
    "is limited by what the project may spend in a month: ${0:,.2f} is left, for all of its runs together. The run "
    "ends when that is spent."
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the limits of a project leave to a run, as they were read before it was prepared.

    Attributes:
        limits: What the project may use.
        month: What the project's runs may cost in this month, and have cost; None without a limit.
    """

    limits: Limits
    month: MonthCost | None

    def narrowed(self, budget: Budget | None) -> Budget | None:
        """Return a budget that is within the limit of a run; None is one without a limit."""
        return _within(budget, self.limits.run_cost)

    def refuse_spent_month(self) -> None:
        """Refuse a run that calls models if the month's limit is used up.

        Raises:
            LimitExceededError: It is.
        """
        if self.month is not None:
            refuse_spent_month(self.month)

    def checked(
        self, run: Run, asked: RunOptions, calls_models: Callable[[Run], bool], check: Callable[[Run], Run]
    ) -> Run:
        """Return a run as it is checked with the budget that the limits leave to it.

        A run that calls no model has no use for one, and is not refused if the month's limit is used up.

        Args:
            run: The run, with the options that were asked for.
            asked: These options.
            calls_models: Tells whether the run calls any model.
            check: Checks the run; it refuses a budget that cannot be enforced.

        Raises:
            LimitExceededError: The month's limit is used up, and the run calls models.
            InvalidRequestError: The run cannot be executed, or its cost would not be known.
        """
        budget = self.narrowed(asked.budget)
        if (self.month is None and budget == asked.budget) or not calls_models(run):
            return check(run)
        self.refuse_spent_month()
        # What a model costs has to be known for the month's limit, too.
        bounded = budget if self.month is None else _within(budget, self.month.left)
        try:
            checked = check(replace(run, options=replace(asked, budget=bounded)))
        except InvalidRequestError as error:
            if error.param == "evalhaven.budget.cost" and (asked.budget is None or asked.budget.cost is None):
                error.message += " The project has a limit on costs, which holds for each of its runs."
            raise
        lowered = [] if budget == asked.budget else [_LOWERED.format(self.limits.run_cost)]
        in_month = [] if self.month is None else [_MONTH.format(self.month.left)]
        cautions = [Caution("/evalhaven/budget/cost", text) for text in (*lowered, *in_month)]
        return replace(
            checked, options=replace(checked.options, budget=budget), warnings=[*checked.warnings, *cautions]
        )


def _within(budget: Budget | None, most: float | None) -> Budget | None:
    """Return a budget of no more than so many US dollars; None of anything is no limit."""
    if most is None:
        return budget
    if budget is None:
        return Budget(cost=most)
    return replace(budget, cost=most if budget.cost is None else min(budget.cost, most))


async def read_allowed(tx: ReadTransaction, scope: ProjectScope, now: int) -> Allowed:
    """Return what a project's limits leave to a run, which shares what is left of a month with the project's others.

    Args:
        tx: Open transaction.
        scope: The project.
        now: Unix second.
    """
    limits = await get_limits(tx, scope)
    return Allowed(limits, None if limits.month_cost is None else await find_month_cost(tx, scope, now))


async def refuse_beyond(tx: AsyncConnection, scope: ProjectScope, limits: Limits, more_bytes: int = 0) -> None:
    """Refuse a run for which a project has no room; others that are stored at the same time wait.

    Args:
        tx: The transaction that stores the run.
        scope: The project.
        limits: What it may use.
        more_bytes: Bytes of the run's inline rows.

    Raises:
        LimitExceededError: There is none.
    """
    if limits.concurrent_runs is None and limits.stored_bytes is None:
        return
    await lock_project(tx, scope)
    if limits.concurrent_runs is not None:
        refuse_more_runs(limits, await count_active_runs(tx, scope))
    if limits.stored_bytes is not None and more_bytes:
        refuse_more_bytes(limits, await measure_stored(tx, scope), more_bytes, "data_source.source.content")
