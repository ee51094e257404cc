"""Items of a comparison as they are shown: what happened to them, and what was answered and decided in each run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.reports.columns.loading import Numbers
from evalhaven.reports.comparison import CHANGES, ComparedSide, PairedRuns
from evalhaven.storage.compared_items import ShortItem, list_short_items
from evalhaven.storage.reading import ReadTransaction


@dataclass(frozen=True, slots=True)
class ChosenItems:
    """Items that were chosen.

    Attributes:
        changes: What happened to each.
        baseline: Its number in the baseline, -1 where it is not.
        candidate: Its number in the candidate, -1 where it is not.
        score_changes: Its score in the candidate less that in the baseline, NaN where one of them is missing.
    """

    changes: Numbers
    baseline: Numbers
    candidate: Numbers
    score_changes: Numbers

    @classmethod
    def joined(cls, parts: "Sequence[ChosenItems]") -> "ChosenItems":
        """Return the items of several, one after the other."""
        return cls(
            np.concatenate([part.changes for part in parts]),
            np.concatenate([part.baseline for part in parts]),
            np.concatenate([part.candidate for part in parts]),
            np.concatenate([part.score_changes for part in parts]),
        )

    def part(self, wanted: Numbers | slice) -> "ChosenItems":
        """Return some of them: by number, by flag, or a slice."""
        return ChosenItems(
            self.changes[wanted], self.baseline[wanted], self.candidate[wanted], self.score_changes[wanted]
        )


@dataclass(frozen=True, slots=True)
class ComparedItem:
    """An item that was read from both runs.

    Attributes:
        change: What happened to it.
        score_change: Its score in the candidate less that in the baseline; None where one of them is missing.
        baseline: Its samples in the baseline.
        candidate: Its samples in the other run.
        criteria: Names of the criteria of both.
    """

    change: str
    score_change: float | None
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
            "score_change": self.score_change,
            "baseline": [_shown(sample, self.criteria[0], criterion) for sample in self.baseline],
            "candidate": [_shown(sample, self.criteria[1], criterion) for sample in self.candidate],
        }
        return f'{jsontext.render(shown)[:-1]},"item":{self._item_text}}}'

    @property
    def _item_text(self) -> str:
        first = next(iter([*self.candidate, *self.baseline]), None)
        return "null" if first is None else first.item_text


async def read_items(tx: ReadTransaction, pair: PairedRuns, rows: ChosenItems) -> Sequence[ComparedItem]:
    """Return items that were chosen."""
    before = await _samples(tx, pair.baseline, rows.baseline)
    after = await _samples(tx, pair.candidate, rows.candidate)
    criteria = (pair.baseline.criteria, pair.candidate.criteria)
    changes: list[int] = rows.changes.tolist()
    score_changes: list[float] = rows.score_changes.tolist()
    chosen = zip(changes, score_changes, rows.baseline.tolist(), rows.candidate.tolist(), strict=True)
    return [
        ComparedItem(
            CHANGES[change],
            None if math.isnan(score_change) else score_change,
            before.get(one, ()),
            after.get(other, ()),
            criteria,
        )
        for change, score_change, one, other in chosen
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
