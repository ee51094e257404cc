"""What the runs of a project may cost in this month: counted together, whichever of them spends it."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from evalhaven.access.limits import MonthCost
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.sampling.calls.purse import Purse


class SpendingRun(Protocol):
    """A run whose calls cost something, as one process sees it.

    Attributes:
        month: What it tells what its calls cost.
    """

    month: "MonthBudget | None"

    def untold(self, limit: str) -> float:
        """Return how much of its cost the other processes have not been told yet."""
        ...

    def end_spent(self, verdict: ItemError) -> None:
        """Stop it because no further call may be made for it."""
        ...


class MonthBudget:
    """Counts what the runs of one project cost in a month, as far as one process knows, and ends them beyond it.

    It begins with what is stored. Where several processes execute runs, each learns again and again what all have
    spent, and begins calls only within what it was lent.
    """

    def __init__(self, scope: ProjectScope, known: MonthCost, on_empty: Callable[[], None] | None = None) -> None:
        """Watch no run yet.

        Args:
            scope: The project.
            known: What is stored of the month.
            on_empty: Called when a call waits for money to be lent; None: this process has all that is left.
        """
        self.scope = scope
        self.purse = None if on_empty is None else Purse(frozenset({"cost"}), on_empty)
        self._known = known
        self._runs: list[SpendingRun] = []

    @property
    def known(self) -> MonthCost:
        """Return what is known of the month here; what was spent here and told to nobody yet is included."""
        return self._known

    @property
    def told(self) -> MonthCost:
        """Return the same without what was told to nobody yet."""
        return replace(self._known, spent=self._known.spent - self.untold("cost"))

    @property
    def has_runs(self) -> bool:
        """Tell whether any run is under way."""
        return bool(self._runs)

    def watch(self, run: SpendingRun) -> None:
        """End a run, too, once the month's limit is reached; it may be already."""
        self._runs.append(run)
        self._check()

    def leave(self, run: SpendingRun) -> None:
        """Watch a run no longer."""
        self._runs.remove(run)

    def spend(self, cost: float) -> None:
        """Count what a call cost, in US dollars."""
        if cost:
            self._known = replace(self._known, spent=self._known.spent + cost)
            if self.purse is not None:
                self.purse.spend("cost", cost)
            self._check()

    def untold(self, limit: str) -> float:
        """Return how much of what was spent here the other processes have not been told yet."""
        return sum(run.untold(limit) for run in self._runs)

    def learn(self, told: MonthCost) -> None:
        """Note what all processes have spent, as far as they have told."""
        self._known = replace(told, spent=told.spent + self.untold("cost"))
        self._check()

    def refresh(self, stored: MonthCost | None) -> None:
        """Note what is stored of this month, and what is allowed by now; None: everything is."""
        if stored is None:
            self._known = replace(self._known, most=float("inf"))
        elif stored.month != self._known.month:
            self._known = stored
        else:
            # What is not stored yet, or never will be, was spent all the same.
            self._known = replace(stored, spent=max(stored.spent, self._known.spent))
        self._check()

    def _check(self) -> None:
        if not self._known.left:
            verdict = ItemError(
                "month_cost_exceeded",
                f"The run was stopped by the limit of a month. {self._known.sentence} Finished items stay; retry the "
                "run in the next month, or have the limit raised (`evalhaven limits`).",
                "sampling",
            )
            for run in list(self._runs):
                run.end_spent(verdict)


class Months:
    """The budgets of all projects with a limit of a month whose runs this process executes."""

    def __init__(self) -> None:
        """Begin without any."""
        self._budgets: dict[ProjectScope, MonthBudget] = {}

    def __iter__(self) -> Iterator[MonthBudget]:
        """Iterate over those that are in use."""
        return iter(list(self._budgets.values()))

    @contextmanager
    def entered(
        self,
        scope: ProjectScope,
        stored: MonthCost | None,
        run: SpendingRun,
        on_empty: Callable[[], None] | None = None,
    ) -> Generator[None]:
        """Count what a run's calls cost with those of its project's other runs; without a limit, do nothing.

        Args:
            scope: The project.
            stored: What is stored of the month; None without a limit.
            run: The run. It is ended at once where nothing is left.
            on_empty: Called when a call waits for money to be lent; None: this process has all that is left.
        """
        if stored is None:
            yield
            return
        budget = self._budgets.get(scope)
        if budget is None:
            budget = self._budgets[scope] = MonthBudget(scope, stored, on_empty)
        else:
            budget.refresh(stored)
        run.month = budget
        budget.watch(run)
        try:
            yield
        finally:
            budget.leave(run)
            if not budget.has_runs:
                del self._budgets[scope]
