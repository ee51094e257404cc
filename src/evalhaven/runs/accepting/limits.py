"""What a project's limits make of a run that is to be created or executed again."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import Limits, cost_ceiling, refuse_more_bytes, refuse_more_runs
from evalhaven.domain.errors import InvalidRequestError, LimitExceededError
from evalhaven.domain.evals import Caution
from evalhaven.domain.run_options import Budget, RunOptions
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.access.limits import (
    count_active_runs,
    get_limits,
    lock_project,
    measure_month_cost,
    measure_stored,
)
from evalhaven.storage.reading import ReadTransaction

_LOWERED = (
    "is limited to ${0:,.2f}: the project may spend no more on one run, or has no more left in this month. The run "
    "ends when that is spent."
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the limits of a project leave to a run, as they were read before it was prepared.

    Attributes:
        limits: What the project may use.
        cost: US dollars that the run may come to; None without a limit.
        refusal: Why it may call no model; None if it may.
    """

    limits: Limits
    cost: float | None
    refusal: LimitExceededError | None

    def narrowed(self, budget: Budget | None) -> Budget | None:
        """Return a budget that is within the limits; None is one without a limit."""
        if self.cost is None:
            return budget
        if budget is None:
            return Budget(cost=self.cost)
        return replace(budget, cost=self.cost if budget.cost is None else min(budget.cost, self.cost))

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
        if (self.refusal is None and budget == asked.budget) or not calls_models(run):
            return check(run)
        if self.refusal is not None:
            raise self.refusal
        options = replace(asked, budget=budget)
        try:
            checked = check(replace(run, options=options))
        except InvalidRequestError as error:
            if error.param == "evalhaven.budget.cost" and (asked.budget is None or asked.budget.cost is None):
                error.message += " The project has a limit on costs, which holds for each of its runs."
            raise
        caution = Caution("/evalhaven/budget/cost", _LOWERED.format(self.cost))
        return replace(checked, warnings=[*checked.warnings, caution])


async def read_allowed(tx: ReadTransaction, scope: ProjectScope, now: int, run_spent: float = 0.0) -> Allowed:
    """Return what a project's limits leave to a run.

    Runs that are under way together may each spend what was left when they were created.

    Args:
        tx: Open transaction.
        scope: The project.
        now: Unix second.
        run_spent: US dollars that the run has cost already.
    """
    limits = await get_limits(tx, scope)
    month_spent = 0.0 if limits.month_cost is None else await measure_month_cost(tx, scope, now)
    try:
        return Allowed(limits, cost_ceiling(limits, month_spent, now, run_spent), None)
    except LimitExceededError as error:
        return Allowed(limits, 0.0, error)


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
