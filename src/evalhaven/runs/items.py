"""One item: row to graded output item."""

from collections.abc import Mapping, Sequence

import anyio

from evalhaven.domain import jsontext
from evalhaven.domain.ids import IdFactory, created_at_of
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.samples import Sample
from evalhaven.graders.base import Grader
from evalhaven.runs.rows import Row
from evalhaven.runs.sampler import Sampler

_ITEMS_A_CALL = 3


class ItemEvaluator:
    """Turns rows into output items: has them sampled, or takes the samples they bring along, and grades those."""

    def __init__(
        self, graders: Sequence[Grader], ids: IdFactory, sampler: Sampler | None = None, repeats: int = 1
    ) -> None:
        """Evaluate nothing yet.

        Args:
            graders: One for each testing criterion, in the eval's order.
            ids: Names the output items.
            sampler: Asks a model; None takes the rows' own samples.
            repeats: How often each row is evaluated.
        """
        self._graders = graders
        self._ids = ids
        self._sampler = sampler
        # One that waits alone is awaited like any other: a task for it would be spent for nothing.
        self._waits_abreast = sum(grader.waits for grader in graders) > 1
        self.repeats = repeats

    @property
    def criteria_count(self) -> int:
        """Return the number of grades that each item gets."""
        return len(self._graders)

    @property
    def concurrency(self) -> int:
        """Return how many items are worth evaluating at once."""
        grading = max((grader.concurrency for grader in self._graders), default=1)
        # A call that waits for its next attempt occupies nobody at the endpoint, and must not occupy a place here.
        return grading if self._sampler is None else max(grading, _ITEMS_A_CALL * self._sampler.concurrency)

    @property
    def is_waiting(self) -> bool:
        """Tell whether an item may take long without computing: what is finished must not wait for it to be stored."""
        return self._sampler is not None or self.concurrency > 1

    async def evaluate_item(self, row: Row, position: int, repeat: int = 0) -> OutputItem:
        """Return the output item of a row.

        Args:
            row: The item and its recorded sample.
            position: 0-based index of the row in its source.
            repeat: 0-based number of the repetition.
        """
        sample = row.sample if self._sampler is None else await self._sampler.sample_item({"item": row.item}, repeat)
        grades = [] if sample.error is not None else await self._grade(row, sample)
        item_id = self._ids.new_output_item_id()
        return OutputItem(
            id=item_id,
            position=position,
            repeat=repeat,
            created_at=created_at_of(item_id),
            item_text=row.item_text,
            item_hash=jsontext.canonical_hash(row.item),
            sample=sample,
            grades=grades,
        )

    async def _grade(self, row: Row, sample: Sample, graders: Sequence[Grader] | None = None) -> list[Grade]:
        """Return a grade of each grader, or of each of these."""
        namespaces: dict[str, JsonValue] = {"item": row.item}
        if sample.namespace is not None:
            namespaces["sample"] = sample.namespace
        chosen = self._graders if graders is None else graders
        if self._waits_abreast:
            return await _grade_abreast(chosen, namespaces)
        return [await grader.grade(namespaces) for grader in chosen]


async def _grade_abreast(graders: Sequence[Grader], namespaces: Mapping[str, JsonValue]) -> list[Grade]:
    """Grade with all graders that wait at once, and with the others meanwhile."""
    grades = dict[int, Grade]()

    async def grade(number: int) -> None:
        grades[number] = await graders[number].grade(namespaces)

    async with anyio.create_task_group() as tasks:
        for number, grader in enumerate(graders):
            if grader.waits:
                tasks.start_soon(grade, number)
        for number, grader in enumerate(graders):
            if not grader.waits:
                await grade(number)
    return [grades[number] for number in range(len(graders))]
