"""What ends a run early: all calls fail alike, or the budget is spent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import anyio

from evalhaven.domain.run_options import Budget
from evalhaven.domain.samples import ItemError
from evalhaven.domain.spending import Spending
from evalhaven.sampling.calls.failure_watch import FailureWatch


class CallGuard(Protocol):
    """Is told how calls to a model end."""

    @property
    def is_spent(self) -> bool:
        """Tell whether the budget is spent, so that no further call may be made."""
        ...

    def note_answer(self, cost: float | None, tokens: int) -> None:
        """Count a call that was answered."""
        ...

    def note_failure(self, error: ItemError, *, is_fatal: bool) -> None:
        """Count a call that failed for good."""
        ...

    def note_unreachable(self, error: ItemError) -> None:
        """Note that an endpoint that never answered the run cannot be reached, after waiting long enough."""
        ...


class RunGuard:
    """Watches the calls of one run as they end, before their items are stored."""

    def __init__(self, budget: Budget | None, spent: Spending, stop: anyio.Event) -> None:
        """Begin with what was spent before.

        Args:
            budget: What the run may spend; None without a limit.
            spent: What its stored items cost.
            stop: Set once there is a verdict.
        """
        self._budget = budget
        self._cost = spent.priced_cost
        self._tokens = spent.tokens
        self._settled_cost, self._settled_tokens = self._cost, self._tokens
        self._failures = FailureWatch()
        self._judges: list[JudgeGuard] = []
        self._stop = stop
        self.verdict: ItemError | None = None
        self._is_spent = False
        # A run that is taken up again may have spent its budget already.
        self._check_budget()

    @property
    def is_spent(self) -> bool:
        """Tell whether the budget is spent: calls that waited for their turn meanwhile are not made."""
        return self._is_spent

    def expect_calls(self, count: int) -> None:
        """Note how many items are left: fewer failures are enough to end a short run."""
        self._failures.expect_calls(count)
        for judge in self._judges:
            judge.expect_calls(count)

    def watch_judge(self) -> "JudgeGuard":
        """Return what watches the calls of one judge."""
        judge = JudgeGuard(self)
        self._judges.append(judge)
        return judge

    def note_answer(self, cost: float | None, tokens: int) -> None:
        """Count a call that was answered.

        Args:
            cost: US dollars; None where no price is known.
            tokens: Those of request and answer.
        """
        self._failures.note_success()
        self.spend(cost, tokens)

    def spend(self, cost: float | None, tokens: int) -> None:
        """Count the cost of a call against the budget."""
        self._cost += cost or 0.0
        self._tokens += tokens
        self._check_budget()

    def settle(self, stored: Spending, own: Spending) -> None:
        """Learn what other processes have spent on the run.

        Args:
            stored: What all its stored items cost.
            own: What those of them cost that were stored by this process since the last time.
        """
        others_cost = max(0.0, stored.priced_cost - self._settled_cost - own.priced_cost)
        others_tokens = max(0, stored.tokens - self._settled_tokens - own.tokens)
        self._settled_cost, self._settled_tokens = stored.priced_cost, stored.tokens
        if others_tokens or others_cost:
            self.spend(others_cost, others_tokens)

    def _check_budget(self) -> None:
        budget = self._budget
        if budget is not None and budget.is_exceeded(self._cost, self._tokens):
            self._is_spent = True
            spent = f"{self._tokens:,} tokens" if budget.cost is None else f"{self._cost:.4f} US dollars"
            self.end(
                ItemError(
                    "budget_exceeded",
                    f"The run was stopped because it spent its budget ({spent}). Its finished items stay.",
                    "sampling",
                )
            )

    def note_failure(self, error: ItemError, *, is_fatal: bool) -> None:
        """Count a call that failed for good.

        Args:
            error: Why.
            is_fatal: Whether every other call of the run is likely to fail for the same reason.
        """
        self._failures.note_failure(error, is_fatal=is_fatal)
        if self._failures.verdict is not None:
            self.end(self._failures.verdict)

    def note_unreachable(self, error: ItemError) -> None:
        """End the run: everything else that waits for this endpoint waits in vain."""
        self.end(error)

    def end(self, verdict: ItemError) -> None:
        """Stop the run; the first verdict counts."""
        if self.verdict is None:
            self.verdict = verdict
            self._stop.set()


class JudgeGuard:
    """Watches the calls of one judge: the budget is the run's, but the success of others says nothing about it."""

    def __init__(
        self,
        guard: RunGuard,
        failures: FailureWatch | None = None,
        leads_on: Callable[[ItemError], bool] | None = None,
    ) -> None:
        """Begin with nothing counted.

        Args:
            guard: The run's guard.
            failures: What the judge's calls have come to so far.
            leads_on: Tells whether the judge is asked again in another way after a failure; if so, it is not counted.
        """
        self._guard = guard
        self._failures = failures or FailureWatch()
        self._leads_on = leads_on

    @property
    def is_spent(self) -> bool:
        """Tell whether the run's budget is spent."""
        return self._guard.is_spent

    def passing(self, leads_on: Callable[[ItemError], bool]) -> "JudgeGuard":
        """Return a guard that counts the same calls, except failures after which the judge is asked in another way."""
        return JudgeGuard(self._guard, self._failures, leads_on)

    def expect_calls(self, count: int) -> None:
        """Note how many items are left, as a run's guard does."""
        self._failures.expect_calls(count)

    def note_answer(self, cost: float | None, tokens: int) -> None:
        """Count a call that was answered, as a run's guard does."""
        self._failures.note_success()
        self._guard.spend(cost, tokens)

    def note_failure(self, error: ItemError, *, is_fatal: bool) -> None:
        """Count a call that failed for good, as a run's guard does."""
        if self._leads_on is not None and self._leads_on(error):
            return
        self._failures.note_failure(error, is_fatal=is_fatal)
        if self._failures.verdict is not None:
            self._guard.end(replace(self._failures.verdict, origin="judge"))

    def note_unreachable(self, error: ItemError) -> None:
        """End the run, as a run's guard does."""
        self._guard.end(replace(error, origin="judge"))
