"""Items of a comparison as they are shown: what happened to them, and what was answered and decided in each run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.reports.columns.loading import Numbers
from evalhaven.reports.comparison import CHANGES, ComparedSide, PairedRuns
from evalhaven.storage.compared_items import ShortItem, list_short_items
from evalhaven.storage.reading import ReadTransaction


@dataclass(frozen=True, slots=True)
class ChosenItems:
    """Items that were chosen: the change of each, and its number in each run, -1 where it is not."""

    changes: Numbers
    baseline: Numbers
    candidate: Numbers


@dataclass(frozen=True, slots=True)
class ComparedItem:
    """An item that was read from both runs.

    Attributes:
        change: What happened to it.
        baseline: Its samples in the baseline.
        candidate: Its samples in the other run.
        criteria: Names of the criteria of both.
    """

    change: str
    baseline: Sequence[ShortItem]
    candidate: Sequence[ShortItem]
    criteria: tuple[Sequence[str], Sequence[str]]

    def contains(self, sought: str) -> bool:
        """Tell whether the item or an answer contains a text, which is casefolded."""
        for sample in (*self.baseline, *self.candidate):
            if sample.output_text is not None and sought in sample.output_text.casefold():
                return True
        item = self._item_text
        if sought in item.casefold():
            return True
        # What is escaped in JSON is looked for as it reads.
        return "\\" in item and any(sought in text.casefold() for text in _texts_in(item))

    def text(self, criterion: str | None) -> str:
        """Return the item's JSON text, with what one criterion or all of them said."""
        shown: JsonObject = {
            "change": self.change,
            "baseline": [_shown(sample, self.criteria[0], criterion) for sample in self.baseline],
            "candidate": [_shown(sample, self.criteria[1], criterion) for sample in self.candidate],
        }
        return f'{jsontext.render(shown)[:-1]},"item":{self._item_text}}}'

    @property
    def _item_text(self) -> str:
        first = next(iter([*self.candidate, *self.baseline]), None)
        return "null" if first is None else first.item_text


async def read_items(tx: ReadTransaction, pair: PairedRuns, rows: ChosenItems, part: range) -> Sequence[ComparedItem]:
    """Return some of the items that were chosen."""
    of_baseline, of_candidate = rows.baseline[part.start : part.stop], rows.candidate[part.start : part.stop]
    before = await _samples(tx, pair.baseline, of_baseline)
    after = await _samples(tx, pair.candidate, of_candidate)
    criteria = (pair.baseline.criteria, pair.candidate.criteria)
    changes: list[int] = rows.changes[part.start : part.stop].tolist()
    return [
        ComparedItem(CHANGES[change], before.get(one, ()), after.get(other, ()), criteria)
        for change, one, other in zip(changes, of_baseline.tolist(), of_candidate.tolist(), strict=True)
    ]


async def _samples(tx: ReadTransaction, side: ComparedSide, numbers: Numbers) -> Mapping[int, list[ShortItem]]:
    """Return the output items of some items of a run, by the number of the item."""
    numbers = numbers[numbers >= 0]
    positions = dict(zip(side.items.position[numbers].tolist(), numbers.tolist(), strict=True))
    found: dict[int, list[ShortItem]] = {}
    if positions:
        for item in await list_short_items(tx, side.run.scope, side.run.key, sorted(positions)):
            found.setdefault(positions[item.position], []).append(item)
    return found


def _shown(item: ShortItem, names: Sequence[str], criterion: str | None) -> JsonValue:
    return {
        "id": item.id,
        "datasource_item_id": item.position,
        "repeat": item.repeat,
        "status": item.status.wire,
        "score": item.score,
        "output_text": item.output_text,
        "results": [
            {"name": name, "score": grade.score, "passed": grade.passed}
            for name, grade in zip(names, item.grades, strict=False)
            if criterion in (None, name)
        ],
        "error": None if item.error is None else {"code": item.error.code, "message": item.error.message},
    }


def _texts_in(item: str) -> Iterator[str]:
    try:
        left = [jsontext.parse(item)]
    except InvalidJsonError:
        return
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list):
            left += value
