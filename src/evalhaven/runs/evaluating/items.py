"""One item: from row to graded output item."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import anyio

from evalhaven.domain import jsontext
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.samples import Sample, unsampled
from evalhaven.graders.base import EarlyGrader, Grader
from evalhaven.runs.evaluating.sampler import Sampler
from evalhaven.runs.rows.parsing import Row

_ITEMS_A_CALL = 3


class Evaluator(Protocol):
    """What evaluates the items of a run."""

    @property
    def repeats(self) -> int:
        """Return how many times each row is evaluated."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Return the names of the testing criteria, in the eval's order."""
        ...

    @property
    def criteria_count(self) -> int:
        """Return the number of grades that each item gets."""
        ...

    @property
    def concurrency(self) -> int:
        """Return how many items are worth evaluating at once while no call pauses before its next attempt."""
        ...

    @property
    def most_at_once(self) -> int:
        """Return how many items may be under way at once, counting that pausing calls do not occupy the endpoint."""
        ...

    def watch_pauses(self, on_pause: Callable[[], None]) -> None:
        """Have `on_pause` called whenever the call of an item begins to pause before its next attempt."""
        ...

    async def evaluate_item(self, row: Row, position: int, repeat: int = 0) -> OutputItem:
        """Return the output item of a row."""
        ...


class ItemEvaluator:
    """Turns rows into output items: has them sampled, or takes the samples that came with them, and grades those."""

    def __init__(
        self,
        graders: Sequence[Grader],
        ids: IdFactory,
        sampler: Sampler | None = None,
        repeats: int = 1,
        names: Sequence[str] = (),
    ) -> None:
        """Evaluate nothing yet.

        Args:
            graders: One for each testing criterion, in the eval's order.
            ids: Names the output items.
            sampler: Asks a model; None takes the rows' own samples.
            repeats: How many times each row is evaluated.
            names: Names of the testing criteria, for traces.
        """
        self.names = names
        self._graders = graders
        self._ids = ids
        self._sampler = sampler
        # A single waiting grader is awaited directly: a task for it would be wasted.
        self._waits_abreast = sum(grader.waits for grader in graders) > 1
        # Looking at a grader's methods costs more than calling most of them.
        numbered = list(enumerate(graders))
        self._early = [(number, grader) for number, grader in numbered if isinstance(grader, EarlyGrader)]
        others = [(number, grader) for number, grader in numbered if not isinstance(grader, EarlyGrader)]
        self._waiting = [number for number, grader in others if grader.waits]
        self._immediate = [number for number, grader in others if not grader.waits]
        self.repeats = repeats

    @property
    def criteria_count(self) -> int:
        """Return the number of grades that each item gets."""
        return len(self._graders)

    @property
    def concurrency(self) -> int:
        """Return how many items are worth evaluating at once while no call pauses before its next attempt."""
        grading = max((grader.concurrency for grader in self._graders), default=1)
        return grading if self._sampler is None else max(grading, self._sampler.concurrency)

    @property
    def most_at_once(self) -> int:
        """Return how many items may be under way at once, counting that pausing calls do not occupy the endpoint."""
        return self.concurrency if self._sampler is None else _ITEMS_A_CALL * self.concurrency

    def watch_pauses(self, on_pause: Callable[[], None]) -> None:
        """Have `on_pause` called whenever the call of an item begins to pause before its next attempt."""
        if self._sampler is not None:
            self._sampler.on_pause = on_pause

    async def evaluate_item(self, row: Row, position: int, repeat: int = 0) -> OutputItem:
        """Return the output item of a row.

        Args:
            row: The item and its recorded sample.
            position: 0-based index of the row in its source.
            repeat: 0-based number of the repetition.
        """
        if row.error is not None:
            sample = unsampled(row.error)
        elif self._sampler is None:
            sample = row.sample
        else:
            sample = await self._sampler.sample_item({"item": row.item}, repeat)
        grades = [] if sample.error is not None else await self._grade(row, sample)
        item_id, created_at = self._ids.new_output_item()
        return OutputItem(
            id=item_id,
            position=position,
            repeat=repeat,
            created_at=created_at,
            item_text=row.item_text,
            item_hash=jsontext.canonical_hash(row.item),
            sample=sample,
            grades=grades,
        )

    async def _grade(self, row: Row, sample: Sample, chosen: Collection[int] | None = None) -> list[Grade]:
        """Return the grade of each grader, or of those chosen by 0-based number."""
        namespaces: dict[str, JsonValue] = {"item": row.item}
        if sample.namespace is not None:
            namespaces["sample"] = sample.namespace
        numbers = range(len(self._graders)) if chosen is None else chosen
        if self._waits_abreast:
            return await self._grade_abreast(numbers, namespaces)
        grades: list[Grade] = []
        for number in numbers:  # a comprehension that awaits would be one more coroutine
            grades.append(await self._graders[number].grade(namespaces))  # noqa: PERF401
        return grades

    async def _grade_abreast(self, numbers: Collection[int], namespaces: Mapping[str, JsonValue]) -> list[Grade]:
        """Grade with all waiting graders at once, and with the others meanwhile."""
        grades = dict[int, Grade]()

        async def grade(number: int) -> None:
            grades[number] = await self._graders[number].grade(namespaces)

        begun = [(number, grader, grader.begin(namespaces)) for number, grader in self._early if number in numbers]
        if len(begun) < len(numbers):
            async with anyio.create_task_group() as tasks:
                for number in self._waiting:
                    if number in numbers:
                        tasks.start_soon(grade, number)
                for number in self._immediate:
                    if number in numbers:
                        await grade(number)
        for number, grader, outcome in begun:
            grades[number] = grader.conclude(await outcome)
        return [grades[number] for number in numbers]
