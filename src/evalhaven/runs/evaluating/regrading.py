"""Output items evaluated again: another run's are graded anew, the run's own errored ones are mended."""

import msgspec

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.samples import NO_SAMPLE, Sample
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.rows.parsing import Row
from evalhaven.runs.sources.stored_rows import StoredRow


class StoredItemEvaluator(ItemEvaluator):
    """Evaluates output items again, along with rows that are evaluated for the first time."""

    async def evaluate_item(self, row: Row, position: int, repeat: int = 0) -> OutputItem:
        """Return the output item of a row.

        Args:
            row: The item, as a row or as an existing output item.
            position: 0-based index of the row in its source.
            repeat: 0-based number of the repetition.
        """
        if not isinstance(row, StoredRow) or row.stored is None:
            return await super().evaluate_item(row, position, repeat)
        return await (self._mend if row.is_own else self._grade_again)(row, row.stored)

    async def _grade_again(self, row: StoredRow, stored: OutputItem) -> OutputItem:
        sample = _reused(row.readable)
        item_id, created_at = self._ids.new_output_item()
        return OutputItem(
            id=item_id,
            position=stored.position,
            repeat=stored.repeat,
            created_at=created_at,
            item_text=stored.item_text,
            item_hash=stored.item_hash,
            sample=sample,
            grades=[] if sample.error is not None else await self._grade(row, sample),
        )

    async def _mend(self, row: StoredRow, stored: OutputItem) -> OutputItem:
        """Do what failed again: ask for the sample where there is none, and grade where a grade erred."""
        sample, grades = row.readable, list(stored.grades)
        if sample.error is not None:
            if self._sampler is None:
                return stored  # unchanged: what was not answered then cannot be asked for now
            sample = await self._sampler.sample_item({"item": row.item}, stored.repeat)
            grades = [] if sample.error is not None else await self._grade(row, sample)
        else:
            erred = [index for index, grade in enumerate(grades) if grade.error is not None]
            mended = await self._grade(row, sample, erred)
            for index, grade in zip(erred, mended, strict=True):
                grades[index] = grade if grade.error is None else grades[index]
        # Its id and time stay, so that a client paging through the items sees each of them once.
        return msgspec.structs.replace(stored, sample=sample, grades=grades)


def _reused(sample: Sample) -> Sample:
    """Return a sample marked as costing nothing here."""
    if sample is NO_SAMPLE or sample.recorded_text is not None:
        return sample
    return msgspec.structs.replace(sample, is_reused=True)
