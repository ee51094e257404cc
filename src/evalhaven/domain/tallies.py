"""The tally of a run: the sums over its output items, folded in batch by batch."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.samples import NO_SAMPLE, Sample, Usage
from evalhaven.domain.spending import (
    MOST_NAMES,
    NO_SPENDING,
    OTHER,
    Latencies,
    ModelUsage,
    Role,
    Spending,
    latency_bucket,
)
from evalhaven.domain.statuses import ItemStatus


@dataclass(frozen=True, slots=True)
class CriterionTally:
    """How many times one testing criterion passed, failed and erred."""

    passed: int = 0
    failed: int = 0
    errored: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over the stored output items of one run; `passed + failed + errored` is their number.

    Attributes:
        passed: Items whose every criterion passed.
        failed: Items without an error for which some criterion failed.
        errored: Items with an error of their own or in a criterion.
        unresolved: Items for which a criterion's placeholder had no value.
        criteria: One tally per testing criterion in the eval's order; None before the first item.
        spending: What the items' calls add up to.
    """

    passed: int = 0
    failed: int = 0
    errored: int = 0
    unresolved: int = 0
    criteria: tuple[CriterionTally, ...] | None = None
    spending: Spending = NO_SPENDING

    @property
    def total(self) -> int:
        """Return the number of items counted."""
        return self.passed + self.failed + self.errored

    def fold(self, items: Iterable[OutputItem], criteria_count: int) -> "Tally":
        """Return the tally with these items added; each item must be counted only once.

        Args:
            items: Newly stored output items.
            criteria_count: Number of testing criteria of the eval.
        """
        statuses = [0, 0, 0]
        unresolved = 0
        counts = [[tally.passed, tally.failed, tally.errored] for tally in self.criteria or ()]
        counts = counts or [[0, 0, 0] for _ in range(criteria_count)]
        spent = SpendingCounter(self.spending)
        for item in items:
            statuses[item.status] += 1
            spent.add(item)
            is_unresolved = False
            for count, grade in zip(counts, item.grades, strict=False):
                count[2 if grade.error is not None else 0 if grade.passed else 1] += 1
                is_unresolved = is_unresolved or bool(grade.unresolved)
                if grade.calls:
                    spent.add_judging(grade.calls)
            unresolved += is_unresolved
        if not any(statuses):
            return self
        return replace(
            self,
            passed=self.passed + statuses[ItemStatus.PASS],
            failed=self.failed + statuses[ItemStatus.FAIL],
            errored=self.errored + statuses[ItemStatus.ERROR],
            unresolved=self.unresolved + unresolved,
            criteria=tuple(CriterionTally(*count) for count in counts),
            spending=spent.spending,
        )

    def plus(self, part: "Tally") -> "Tally":
        """Return the tally with another one added; each item must be counted in one of them only."""
        if not part.total:
            return self
        before = self.criteria or tuple(CriterionTally() for _ in part.criteria or ())
        return Tally(
            passed=self.passed + part.passed,
            failed=self.failed + part.failed,
            errored=self.errored + part.errored,
            unresolved=self.unresolved + part.unresolved,
            criteria=tuple(
                CriterionTally(all_.passed + its.passed, all_.failed + its.failed, all_.errored + its.errored)
                for all_, its in zip(before, part.criteria or (), strict=True)
            ),
            spending=self.spending.plus(part.spending),
        )

    def without(self, items: Sequence[OutputItem], criteria_count: int) -> "Tally":
        """Return the tally with these items removed; each must have been counted.

        Args:
            items: Output items as they were stored.
            criteria_count: Number of testing criteria of the run.
        """
        if not items:
            return self
        part = NOTHING.fold(items, criteria_count)
        pairs = zip(self.criteria or (), part.criteria or (), strict=True)
        return replace(
            self,
            passed=self.passed - part.passed,
            failed=self.failed - part.failed,
            errored=self.errored - part.errored,
            unresolved=self.unresolved - part.unresolved,
            criteria=tuple(
                CriterionTally(all_.passed - its.passed, all_.failed - its.failed, all_.errored - its.errored)
                for all_, its in pairs
            ),
            spending=self.spending.minus(part.spending),
        )


class SpendingCounter:
    """Adds output items to a spending."""

    def __init__(self, before: Spending) -> None:
        self._before = before
        self._usage = {(usage.model, usage.role): usage for usage in before.usage}
        self._added: dict[tuple[str, Role, bool], list[float]] = {}  # sums by model, role, and whether there is a price
        self._errors = Counter(before.errors)
        self._buckets = Counter(before.latencies.counts)
        self._total_ms = before.latencies.total_ms
        self._retries = before.retries
        self._cache_hits = before.cache_hits
        self._has_news = False

    def add(self, item: OutputItem) -> None:
        """Count what one item cost; a sample from its row, or one that another run paid for, cost nothing here."""
        code = item.error_code
        if code is not None:
            # Codes and names of models come from outside, so the number of different ones that a run counts is limited.
            self._errors[code if code in self._errors or len(self._errors) < MOST_NAMES else OTHER] += 1
            self._has_news = True
        sample = item.sample
        if sample.recorded_text is not None or sample is NO_SAMPLE or sample.is_reused:
            return
        self._has_news = True
        if sample.attempts > 1:
            self._retries += sample.attempts - 1
        if sample.is_cached:
            self._cache_hits += 1
        elif sample.latency_ms is not None:
            self._buckets[latency_bucket(sample.latency_ms)] += 1
            self._total_ms += sample.latency_ms
            self._add_call(sample.model, "target", sample.usage, sample.cost)

    def add_judging(self, calls: Iterable[Sample]) -> None:
        """Count the cost of the calls to judges that were made for one grade."""
        self._has_news = True
        for call in calls:
            self._retries += max(0, call.attempts - 1)
            if call.is_cached:
                self._cache_hits += 1
            elif call.latency_ms is not None:
                self._add_call(call.model, "judge", call.usage, call.cost)

    def _add_call(self, model: str, role: Role, usage: Usage, cost: float | None) -> None:
        # Sums in a list: a new ModelUsage for each item would cost more than everything else here.
        sums = self._added.get((model, role, cost is not None)) or self._begin_sums(model, role, cost is not None)
        sums[0] += usage.prompt_tokens
        sums[1] += usage.completion_tokens
        sums[2] += usage.total_tokens
        sums[3] += usage.cached_tokens
        sums[4] += usage.reasoning_tokens
        sums[5] += 1
        sums[6] += cost or 0.0

    def _begin_sums(self, model: str, role: Role, is_priced: bool) -> list[float]:
        if (model, role) not in self._usage and len(self._usage) >= MOST_NAMES:
            model = OTHER
        self._usage.setdefault((model, role), ModelUsage(model, role))
        return self._added.setdefault((model, role, is_priced), [0, 0, 0, 0, 0, 0, 0.0])

    @property
    def spending(self) -> Spending:
        """Return the earlier spending plus what was added."""
        if not self._has_news:
            return self._before
        usage = self._usage.copy()
        for (model, role, is_priced), (*tokens, calls, cost) in self._added.items():
            added = Usage(*map(int, tokens))
            usage[model, role] = usage[model, role].plus(added, cost if is_priced else None, int(calls))
        return Spending(
            tuple(usage.values()),
            Latencies(dict(self._buckets), self._total_ms),
            dict(self._errors),
            self._retries,
            self._cache_hits,
        )


NOTHING = Tally()
