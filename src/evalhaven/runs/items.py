"""One item: row to graded output item."""

from collections.abc import Sequence

from evalhaven.domain import jsontext
from evalhaven.domain.ids import IdFactory, created_at_of
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import OutputItem
from evalhaven.graders.base import Grader
from evalhaven.runs.rows import Row


class ItemEvaluator:
    """Turns rows into output items by grading the samples that they bring along."""

    def __init__(self, graders: Sequence[Grader], ids: IdFactory) -> None:
        self._graders = graders
        self._ids = ids

    @property
    def criteria_count(self) -> int:
        """Return the number of grades that each item gets."""
        return len(self._graders)

    @property
    def concurrency(self) -> int:
        """Return how many items are worth evaluating at once."""
        return max((grader.concurrency for grader in self._graders), default=1)

    async def evaluate_item(self, row: Row, position: int) -> OutputItem:
        """Return the output item of a row.

        Args:
            row: The item and its recorded sample.
            position: 0-based index of the row in its source.
        """
        sample = row.sample
        namespaces: dict[str, JsonValue] = {"item": row.item}
        if sample.namespace is not None:
            namespaces["sample"] = sample.namespace
        grades = [await grader.grade(namespaces) for grader in self._graders]
        item_id = self._ids.new_output_item_id()
        return OutputItem(
            id=item_id,
            position=position,
            repeat=0,
            created_at=created_at_of(item_id),
            item_text=row.item_text,
            item_hash=jsontext.canonical_hash(row.item),
            sample=sample,
            grades=grades,
        )
