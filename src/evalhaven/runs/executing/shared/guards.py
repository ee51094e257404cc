"""The guard of a run at one worker, and what the guards of all workers know together."""

import math
from collections.abc import Callable
from functools import partial
from itertools import zip_longest

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import MonthCost
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.evaluating.guard import Happened, RunGuard
from evalhaven.runs.executing.shared.limits import SharedLimit
from evalhaven.runs.months import MonthBudget
from evalhaven.sampling.calls.failure_watch import Calls, calls_of
from evalhaven.sampling.calls.purse import Purse
from evalhaven.storage.queue.guards import GuardState, find_guard_state, lock_guard_state, save_guard_state
from evalhaven.storage.reading import ReadTransaction

_SCOPE = EngineScope()
_UNITS = {"cost": 1_000_000, "tokens": 1}  # the least that is lent
_LENT_AT_MOST = 1_000_000.0  # of a month without a limit any more


def purse_of(run: Run, on_empty: Callable[[], None]) -> Purse | None:
    """Return an empty purse for what a run may spend; None if it has no budget."""
    limits = _limits_of(run)
    return Purse(frozenset(limits), on_empty) if limits else None


class SharedGuard:
    """Tells the other workers what happened to a run's calls here, and its guard what happened to those of all."""

    def __init__(self, run: Run, guard: RunGuard) -> None:
        """Tell nothing yet.

        Args:
            run: As it was when its guard began.
            guard: This worker's.
        """
        self._run = run
        self._try = (run.key, run.times_retried)
        self._guard = guard
        spending = run.tally.spending
        self._first = GuardState([], spending.priced_cost, spending.tokens)
        self._known = self._first
        self._taken: Happened | None = None

    async def look(self, tx: AsyncConnection | ReadTransaction) -> None:
        """Learn what is known by now."""
        state = await find_guard_state(tx, _SCOPE, self._try)
        if state is not None:
            # What the others are being told of this worker may be missing.
            self._guard.learn(_happened(state), is_all=self._taken is None)

    async def exchange(self, tx: AsyncConnection) -> None:
        """Tell the others what happened since the last time; `settle` or `put_back` says how the transaction ended."""
        taken = self._taken = self._guard.take()
        stored = await find_guard_state(tx, _SCOPE, self._try)
        self._known = _add(stored or self._first, taken)
        # Most of the time there is nothing to tell: calls are answered, and there is no budget.
        if stored is None or self._known != stored:
            stored = await lock_guard_state(tx, _SCOPE, self._try, self._first)
            self._known = _add(stored, taken)
            await save_guard_state(tx, _SCOPE, self._try, self._known)

    def settle(self) -> None:
        """Learn what all workers know now that they were told."""
        self._taken = None
        self._guard.learn(_happened(self._known))

    def put_back(self) -> None:
        """Note that the others could not be told."""
        if self._taken is not None:
            self._guard.put_back(self._taken)
            self._taken = None

    @property
    def month(self) -> MonthBudget | None:
        """Return what the project may spend in this month; None without a limit."""
        return self._guard.month

    @property
    def told_cost(self) -> float:
        """Return the US dollars that the others are being told."""
        return 0.0 if self._taken is None else self._taken.cost

    @property
    def limits(self) -> dict[str, SharedLimit]:
        """Return what is left of the run's budget, to be lent to its workers."""
        return budget_limits(self._run, self._guard, self._known.cost, self._known.tokens)


def budget_limits(run: Run, guard: RunGuard, cost: float, tokens: int) -> dict[str, SharedLimit]:
    """Return what is left of a run's budget, to be lent to the processes that execute it.

    Args:
        run: The run.
        guard: One process's.
        cost: US dollars that are known to be spent.
        tokens: Tokens that are.
    """
    purse = guard.purse
    if purse is None:
        return {}
    spent = {"cost": cost, "tokens": tokens}
    limits: dict[str, SharedLimit] = {}
    for name, most in _limits_of(run).items():
        left = math.ceil((most - spent[name]) * _UNITS[name])
        if left > 0:
            # Who needs none leaves it to the others.
            wanted = left if purse.waiting or purse.was_used else 0
            limits[f"{name} of run {run.key}"] = SharedLimit(
                left, wanted, 0, partial(_shrink, guard, purse, name), partial(_fill, guard, purse, name)
            )
    return limits


def month_limits(budget: MonthBudget, told: MonthCost) -> dict[str, SharedLimit]:
    """Return what is left of a project's month, to be lent to the processes that execute the project's runs.

    Args:
        budget: One process's.
        told: What all processes are known to have spent.
    """
    purse = budget.purse
    if purse is None or not told.left:
        return {}
    left = math.ceil(min(told.left, _LENT_AT_MOST) * _UNITS["cost"])
    wanted = left if purse.waiting or purse.was_used else 0
    name = f"month {told.month} of project {budget.scope.project_id}"
    return {
        name: SharedLimit(
            left, wanted, 0, partial(_shrink, budget, purse, "cost"), partial(_fill, budget, purse, "cost")
        )
    }


def _shrink(guard: RunGuard | MonthBudget, purse: Purse, name: str, units: int) -> None:
    purse.shrink(name, units / _UNITS[name] - guard.untold(name))


def _fill(guard: RunGuard | MonthBudget, purse: Purse, name: str, units: int, until: float, _fraction: float) -> None:
    # What was spent while the others were told is not among what they know.
    purse.fill(name, units / _UNITS[name] - guard.untold(name), until)


def _limits_of(run: Run) -> dict[str, float]:
    budget = run.options.budget
    most = {} if budget is None else {"cost": budget.cost, "tokens": budget.tokens}
    return {name: value for name, value in most.items() if value is not None}


def _happened(state: GuardState) -> Happened:
    return Happened([calls_of(told) for told in state.watches], state.cost, state.tokens)


def _add(known: GuardState, new: Happened) -> GuardState:
    before = [calls_of(told) for told in known.watches]
    calls = [each.after(earlier) for each, earlier in zip_longest(new.calls, before, fillvalue=Calls())]
    return GuardState([each.to_json() for each in calls], known.cost + new.cost, known.tokens + new.tokens)
