"""Finished items of a run in the form in which they are stored, made by whoever evaluated them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import Sample
from evalhaven.domain.tallies import NOTHING, Tally
from evalhaven.storage.output_items import ItemRow, item_values
from evalhaven.storage.samples import sample_text


@dataclass(frozen=True, slots=True)
class FinishedItems:
    """Items of a run, ready to be stored.

    Attributes:
        rows: Their values by column.
        part: What they add up to.
        answers: The answers among them that are to be remembered, in their stored form, by the hash of their request.
        items: The items themselves; None where they are needed only if some turn out to be stored already.
    """

    rows: Sequence[ItemRow]
    part: Tally
    answers: Mapping[bytes, str | None]
    items: Sequence[OutputItem] | None

    def as_rows(self) -> "FinishedItems":
        """Return them without the items themselves."""
        return replace(self, items=None)


def finish_items(run: Run, items: Sequence[OutputItem], criteria_count: int) -> FinishedItems:
    """Return items of a run in the form in which they are stored."""
    return FinishedItems(
        rows=[item_values(run.scope, run.key, item) for item in items],
        part=NOTHING.fold(items, criteria_count),
        answers={each.request_hash: sample_text(each) for each in _calls(items) if each.request_hash and each.is_whole},
        items=items,
    )


def _calls(items: Sequence[OutputItem]) -> Iterable[Sample]:
    """Yield the answers in items: their samples, and what judges said."""
    for item in items:
        yield item.sample
        for grade in item.grades:
            yield from grade.calls
