"""Items with their spans: an evaluator around another one, only where traces are switched on."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ItemStatus
from evalhaven.runs.evaluating.items import Evaluator
from evalhaven.runs.rows.parsing import Row
from evalhaven.runs.telling import traced_run
from evalhaven.tracing.words import TracedGrade

if TYPE_CHECKING:
    from evalhaven.tracing.tracer import Tracing


class TracedEvaluator:
    """Does what another evaluator does, each item within a span of its own."""

    def __init__(self, evaluator: Evaluator, tracing: "Tracing", run: Run) -> None:
        """Trace nothing yet.

        Args:
            evaluator: What evaluates.
            tracing: Makes the spans.
            run: Whose items.
        """
        self._evaluator = evaluator
        self._tracing = tracing
        self._run = traced_run(run)

    @property
    def repeats(self) -> int:
        """Return how many times each row is evaluated."""
        return self._evaluator.repeats

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the testing criteria, in the eval's order."""
        return self._evaluator.names

    @property
    def criteria_count(self) -> int:
        """Return the number of grades that each item gets."""
        return self._evaluator.criteria_count

    @property
    def concurrency(self) -> int:
        """Return how many items are worth evaluating at once while no call pauses before its next attempt."""
        return self._evaluator.concurrency

    @property
    def most_at_once(self) -> int:
        """Return how many items may be under way at once, counting that pausing calls do not occupy the endpoint."""
        return self._evaluator.most_at_once

    def watch_pauses(self, on_pause: Callable[[], None]) -> None:
        """Have `on_pause` called whenever the call of an item begins to pause before its next attempt."""
        self._evaluator.watch_pauses(on_pause)

    async def evaluate_item(self, row: Row, position: int, repeat: int = 0) -> OutputItem:
        """Return the output item of a row."""
        with self._tracing.item(self._run, position, repeat) as span:
            item = await self._evaluator.evaluate_item(row, position, repeat)
            span.set_attribute("evalhaven.item.id", item.id)
            grades = [_traced(self._name_of(number), grade) for number, grade in enumerate(item.grades)]
            self._tracing.note_grades(span, item.status.wire, grades)
            if item.status is ItemStatus.ERROR:
                self._tracing.note_failure(span, item.error_code or "error")
            return item

    def _name_of(self, number: int) -> str:
        names = self._evaluator.names
        return names[number] if number < len(names) else str(number)


def _traced(name: str, grade: Grade) -> TracedGrade:
    if grade.error is not None:
        return TracedGrade(name, None, "error", grade.error.code)
    return TracedGrade(name, None if grade.is_absent else grade.score, "pass" if grade.passed else "fail")
