"""Output items and grades: the result of one item of a run."""

from collections.abc import Sequence

import msgspec

from evalhaven.domain.ids import OutputItemId
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.domain.statuses import ItemStatus

_NO_SAMPLE_ERRORS = 1 << 30  # more than an item can have grades


class Grade(msgspec.Struct, frozen=True):
    """One grader's conclusion on one sample.

    Attributes:
        score: The number; 0.0 if the grade failed outright or erred.
        passed: Whether the criterion holds.
        unresolved: Placeholders in the criterion that had no value; such a grade is 0 and failed, unless a judge was
            asked without them.
        error: Why there is no conclusion, else None; such a grade counts as neither passed nor failed.
        sample: The request to a model grader and its answer; None for deterministic graders.
        calls: The calls to models that were made for it.
        judge: The form asked of a model grader and what was read from its answer; None for deterministic graders.
        notes: Short names for peculiarities of the score, such as something that was missing for it.
        fault: What the user's own code did instead of returning a score; such a grade is 0 and failed.
        output: What the user's code printed.
        parts: The grades that a formula's score was computed from, by name.
        is_absent: Whether the criterion says nothing about this item, as it may be in an imported run whose items were
            not all graded alike; such a grade counts as neither passed nor failed, and has no score.
    """

    score: float
    passed: bool
    unresolved: tuple[str, ...] = ()
    error: ItemError | None = None
    sample: JsonObject | None = None
    notes: tuple[str, ...] = ()
    parts: tuple[tuple[str, "Grade"], ...] = ()
    calls: tuple[Sample, ...] = ()
    judge: JsonObject | None = None
    fault: ItemError | None = None
    output: str = ""
    is_absent: bool = False


class OutputItem(msgspec.Struct, frozen=True):
    """One item with its sample and grades.

    Attributes:
        id: Public id.
        position: 0-based index of the item in its source.
        repeat: 0-based number of the repetition.
        created_at: Unix second at which it was finished.
        item_text: The item as the user wrote it, JSON text.
        item_hash: SHA-256 of the item's canonical JSON, 32 bytes.
        sample: The request and its answer; its error is the item's.
        grades: One grade per testing criterion, in the eval's order; empty if the item erred before grading.
        imported_text: JSON text of the item as its first server answered it, without `datasource_item`; None for one
            made here. Its grades are in the order of its `results`.
        imported_status: Its status as its first server answered it; None for one made here.
    """

    id: OutputItemId
    position: int
    repeat: int
    created_at: int
    item_text: str
    item_hash: bytes
    sample: Sample
    grades: Sequence[Grade]
    imported_text: str | None = None
    imported_status: ItemStatus | None = None

    @property
    def status(self) -> ItemStatus:
        """Return `pass` iff every criterion passed, `error` iff the item or one of its grades erred."""
        if self.imported_status is not None:
            return self.imported_status
        if self.sample.error is not None:
            return ItemStatus.ERROR
        # Asked for several times an item: a generator here costs more than the loop.
        status = ItemStatus.PASS
        for grade in self.grades:
            if grade.error is not None:
                return ItemStatus.ERROR
            if not grade.passed and not grade.is_absent:
                status = ItemStatus.FAIL
        return status

    @property
    def score(self) -> float | None:
        """Return the mean of the grades' scores; None if there are no grades or there is an error."""
        if not self.grades or self.status is ItemStatus.ERROR:
            return None
        scores = [grade.score for grade in self.grades if not grade.is_absent]
        return sum(scores) / len(scores) if scores else None

    @property
    def error_code(self) -> str | None:
        """Return the kind of the item's error or, failing that, of the first grade's error; None if there is none."""
        if self.sample.error is not None:
            return self.sample.error.code
        for grade in self.grades:
            if grade.error is not None:
                return grade.error.code
        return None

    @property
    def error_count(self) -> int:
        """Return how many errors keep the item from a result: one if it has no sample, else those of its grades."""
        if self.sample.error is not None:
            return _NO_SAMPLE_ERRORS
        return sum(grade.error is not None for grade in self.grades)

    def mends(self, older: "OutputItem") -> bool:
        """Tell whether the item may replace an older evaluation: only if a sample or a grade now succeeded."""
        return self.error_count < older.error_count
