"""Output items and grades: what one item of a run came to."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalhaven.domain.ids import OutputItemId
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.domain.statuses import ItemStatus

_NO_SAMPLE_ERRORS = 1 << 30  # more than an item has grades


@dataclass(frozen=True, slots=True)
class Grade:
    """One grader's conclusion on one sample.

    Attributes:
        score: The number, 0.0 where it failed or erred.
        passed: Whether the criterion holds.
        unresolved: Placeholders of the criterion that had no value; such a grade is 0 and failed, unless a judge was
            asked without them.
        error: Why there is no conclusion, else None; such a grade counts in neither passed nor failed.
        sample: What a model grader was asked and answered; None for deterministic graders.
        calls: The calls of models that were made for it.
        judge: What a model grader was asked for and what was read of its answer; None for deterministic graders.
        notes: Short names of what to know about the score, such as that something was missing for it.
        fault: What the user's own code did instead of returning a score; such a grade is 0 and failed.
        output: What the user's code printed.
        parts: Of a formula's score, the grades that it was computed from, by name.
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


@dataclass(frozen=True, slots=True)
class OutputItem:
    """One item with its sample and grades.

    Attributes:
        id: Public id.
        position: 0-based index of the item in its source.
        repeat: 0-based number of the repetition.
        created_at: Unix second at which it was finished.
        item_text: The item as the user wrote it, JSON text.
        item_hash: SHA-256 of the item's canonical JSON, 32 bytes.
        sample: What was asked and answered; its error is the item's.
        grades: One grade per testing criterion, in the eval's order; empty where the item erred before grading.
        imported_text: JSON text of the item as its first server answered it, without `datasource_item`; None for one
            made here. Its grades stand in the order of its `results`.
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
        if self.sample.error is not None or any(grade.error is not None for grade in self.grades):
            return ItemStatus.ERROR
        return ItemStatus.PASS if all(grade.passed for grade in self.grades) else ItemStatus.FAIL

    @property
    def score(self) -> float | None:
        """Return the mean of the grades' scores; None without grades or with an error."""
        if not self.grades or self.status is ItemStatus.ERROR:
            return None
        return sum(grade.score for grade in self.grades) / len(self.grades)

    @property
    def error_code(self) -> str | None:
        """Return the kind of the item's error, or of the first grade's that has one; None without."""
        if self.sample.error is not None:
            return self.sample.error.code
        return next((grade.error.code for grade in self.grades if grade.error is not None), None)

    @property
    def error_count(self) -> int:
        """Return how many errors stand between it and a result: one without a sample, else those of its grades."""
        if self.sample.error is not None:
            return _NO_SAMPLE_ERRORS
        return sum(grade.error is not None for grade in self.grades)

    def mends(self, older: "OutputItem") -> bool:
        """Tell whether it may replace an older evaluation: only success does, that of a sample or of a grade."""
        return self.error_count < older.error_count

    @property
    def is_unresolved(self) -> bool:
        """Tell whether a placeholder of some criterion had no value."""
        return any(grade.unresolved for grade in self.grades)
