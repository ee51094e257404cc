"""What ends a run early: all calls fail alike, or its budget is spent, or that of its project's month."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import anyio

from evalhaven.domain.run_options import Budget
from evalhaven.domain.samples import ItemError
from evalhaven.domain.spending import Spending
from evalhaven.runs.months import MonthBudget
from evalhaven.sampling.calls.failure_watch import Calls, FailureWatch
from evalhaven.sampling.calls.purse import Purse


class CallGuard(Protocol):
    """Is told how calls to a model end."""

    @property
    def is_spent(self) -> bool:
        """Tell whether the budget is spent, so that no further call may be made."""
        ...

    @property
    def purses(self) -> Sequence[Purse]:
        """Return what this process may spend of the budgets that it shares with others."""
        ...

    @property
    def failures(self) -> FailureWatch:
        """Return what the calls have come to so far."""
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


@dataclass(frozen=True, slots=True)
class Happened:
    """What processes that execute one run tell each other of its calls.

    Attributes:
        calls: What the run's own watch saw, and that of each judge.
        cost: US dollars.
        tokens: Tokens.
    """

    calls: Sequence[Calls]
    cost: float
    tokens: int


class RunGuard:
    """Watches the calls of one run as they end, before their items are stored.

    Where several processes execute the run, each guard tells the others what happened to it (`take`), and hears what
    that comes to for all (`learn`). The first verdict of any of them ends the run.
    """

    def __init__(
        self,
        budget: Budget | None,
        spent: Spending,
        stop: anyio.Event,
        purse: Purse | None = None,
        ask_others: Callable[[], bool] | None = None,
    ) -> None:
        """Begin with what was spent before.

        Args:
            budget: What the run may spend; None without a limit.
            spent: What its stored items cost.
            stop: Set once there is a verdict.
            purse: What this process may spend of the budget before it hears of the others; None where there is no
                other, or no budget.
            ask_others: Called when the others are to be heard because all calls seem to fail; returns whether there are
                any now. None: there never are.
        """
        self._ask_others = ask_others
        self.purse = purse
        self.month: MonthBudget | None = None
        self._budget = budget
        self._cost = spent.priced_cost
        self._tokens = spent.tokens
        self._new_cost, self._new_tokens = 0.0, 0  # not told yet
        self.failures = FailureWatch(ask_others)
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

    @property
    def purses(self) -> Sequence[Purse]:
        """Return what this process may spend of the run's own budget, and of that of its project's month."""
        of_month = None if self.month is None else self.month.purse
        return [purse for purse in (self.purse, of_month) if purse is not None]

    @property
    def cost(self) -> float:
        """Return the US dollars that the calls have cost."""
        return self._cost

    def expect_calls(self, count: int) -> None:
        """Note how many items are left: fewer failures are enough to end a short run."""
        self.failures.expect_calls(count)
        for judge in self._judges:
            judge.expect_calls(count)

    def watch_judge(self) -> "JudgeGuard":
        """Return what watches the calls of one judge."""
        judge = JudgeGuard(self, FailureWatch(self._ask_others))
        self._judges.append(judge)
        return judge

    def note_answer(self, cost: float | None, tokens: int) -> None:
        """Count a call that was answered.

        Args:
            cost: US dollars; None where no price is known.
            tokens: Those of request and answer.
        """
        self.failures.note_success()
        self.spend(cost, tokens)

    def spend(self, cost: float | None, tokens: int) -> None:
        """Count the cost of a call against the budget."""
        self._cost += cost or 0.0
        self._tokens += tokens
        if self.purses:
            self._new_cost += cost or 0.0
            self._new_tokens += tokens
        if self.purse is not None:
            self.purse.spend("cost", cost or 0.0)
            self.purse.spend("tokens", tokens)
        self._check_budget()
        if self.month is not None:
            self.month.spend(cost or 0.0)

    @property
    def has_streak(self) -> bool:
        """Tell whether calls failed alike lately, so that those of others may make a verdict of it."""
        return any(watch.has_streak for watch in self._watches)

    def take(self) -> Happened:
        """Return what happened since the last time, for others to be told, or to be `put_back`."""
        cost, tokens, self._new_cost, self._new_tokens = self._new_cost, self._new_tokens, 0.0, 0
        return Happened([watch.take() for watch in self._watches], cost, tokens)

    def untold(self, limit: str) -> float:
        """Return how much of the cost or the tokens was not taken to be told yet."""
        return self._new_cost if limit == "cost" else self._new_tokens

    def put_back(self, taken: Happened) -> None:
        """Note that the others could not be told."""
        self._new_cost += taken.cost
        self._new_tokens += taken.tokens
        for watch, calls in zip(self._watches, taken.calls, strict=True):
            watch.put_back(calls)

    def learn(self, known: Happened, *, is_all: bool = True) -> None:
        """Note what happened at all processes.

        Args:
            known: What is known of it.
            is_all: Whether what was taken here is included.
        """
        self._cost, self._tokens = known.cost + self._new_cost, known.tokens + self._new_tokens
        for watch, calls in zip(self._watches, known.calls, strict=False):
            watch.learn(calls, is_all=is_all)
        self._end_by_watch()
        for judge in self._judges:
            judge.end_by_watch()
        self._check_budget()

    @property
    def _watches(self) -> list[FailureWatch]:
        return [self.failures, *(judge.failures for judge in self._judges)]

    def _check_budget(self) -> None:
        budget = self._budget
        if budget is not None and budget.is_exceeded(self._cost, self._tokens):
            spent = f"{self._tokens:,} tokens" if budget.cost is None else f"{self._cost:.4f} US dollars"
            self.end_spent(
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
        self.failures.note_failure(error, is_fatal=is_fatal)
        self._end_by_watch()

    def _end_by_watch(self) -> None:
        if self.failures.verdict is not None:
            self.end(self.failures.verdict)

    def note_unreachable(self, error: ItemError) -> None:
        """End the run: everything else that waits for this endpoint waits in vain."""
        self.end(error)

    def end(self, verdict: ItemError) -> None:
        """Stop the run; the first verdict counts."""
        if self.verdict is None:
            self.verdict = verdict
            self._stop.set()

    def end_spent(self, verdict: ItemError) -> None:
        """Stop the run because no further call may be made for it."""
        self._is_spent = True
        self.end(verdict)


class JudgeGuard:
    """Watches the calls of one judge: the budget is the run's, but the success of others says nothing about it."""

    def __init__(
        self,
        guard: RunGuard,
        failures: FailureWatch,
        leads_on: Callable[[ItemError], bool] | None = None,
    ) -> None:
        """Begin with nothing counted.

        Args:
            guard: The run's guard.
            failures: What the judge's calls have come to so far.
            leads_on: Tells whether the judge is asked again in another way after a failure; if so, it is not counted.
        """
        self._guard = guard
        self.failures = failures
        self._leads_on = leads_on

    @property
    def is_spent(self) -> bool:
        """Tell whether the run's budget is spent."""
        return self._guard.is_spent

    @property
    def purses(self) -> Sequence[Purse]:
        """Return what this process may spend of the run's budgets."""
        return self._guard.purses

    def passing(self, leads_on: Callable[[ItemError], bool]) -> "JudgeGuard":
        """Return a guard that counts the same calls, except failures after which the judge is asked in another way."""
        return JudgeGuard(self._guard, self.failures, leads_on)

    def expect_calls(self, count: int) -> None:
        """Note how many items are left, as a run's guard does."""
        self.failures.expect_calls(count)

    def note_answer(self, cost: float | None, tokens: int) -> None:
        """Count a call that was answered, as a run's guard does."""
        self.failures.note_success()
        self._guard.spend(cost, tokens)

    def note_failure(self, error: ItemError, *, is_fatal: bool) -> None:
        """Count a call that failed for good, as a run's guard does."""
        if self._leads_on is not None and self._leads_on(error):
            return
        self.failures.note_failure(error, is_fatal=is_fatal)
        self.end_by_watch()

    def end_by_watch(self) -> None:
        """End the run if all calls fail alike."""
        if self.failures.verdict is not None:
            self._guard.end(replace(self.failures.verdict, origin="judge"))

    def note_unreachable(self, error: ItemError) -> None:
        """End the run, as a run's guard does."""
        self._guard.end(replace(error, origin="judge"))
