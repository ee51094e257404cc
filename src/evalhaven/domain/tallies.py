"""The tally of a run: what its output items add up to, folded batch by batch."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.statuses import ItemStatus


@dataclass(frozen=True, slots=True)
class CriterionTally:
    """How often one testing criterion passed, failed and erred."""

    passed: int = 0
    failed: int = 0
    errored: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over the stored output items of one run; `passed + failed + errored` is their number.

    Attributes:
        passed: Items whose every criterion passed.
        failed: Items without error of which some criterion failed.
        errored: Items with an error of their own or of a criterion.
        unresolved: Items of which a criterion's placeholder had no value.
        criteria: One tally per testing criterion in the eval's order; None before the first item.
    """

    passed: int = 0
    failed: int = 0
    errored: int = 0
    unresolved: int = 0
    criteria: tuple[CriterionTally, ...] | None = None

    @property
    def total(self) -> int:
        """Return the number of items counted."""
        return self.passed + self.failed + self.errored

    def fold(self, items: Iterable[OutputItem], criteria_count: int) -> "Tally":
        """Return the tally with these items added; each must be counted once only.

        Args:
            items: Newly stored output items.
            criteria_count: Number of testing criteria of the eval.
        """
        statuses = [0, 0, 0]
        unresolved = 0
        counts = [[tally.passed, tally.failed, tally.errored] for tally in self.criteria or ()]
        counts = counts or [[0, 0, 0] for _ in range(criteria_count)]
        for item in items:
            statuses[item.status] += 1
            unresolved += item.is_unresolved
            for count, grade in zip(counts, item.grades, strict=False):
                count[2 if grade.error is not None else 0 if grade.passed else 1] += 1
        if not any(statuses):
            return self
        return replace(
            self,
            passed=self.passed + statuses[ItemStatus.PASS],
            failed=self.failed + statuses[ItemStatus.FAIL],
            errored=self.errored + statuses[ItemStatus.ERROR],
            unresolved=self.unresolved + unresolved,
            criteria=tuple(CriterionTally(*count) for count in counts),
        )


NOTHING = Tally()
