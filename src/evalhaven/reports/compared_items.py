"""The items of a comparison, a page at a time: chosen by what happened to them, score, group and text."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.sample_forms import text_of
from evalhaven.reports.columns.loading import Numbers, load_columns
from evalhaven.reports.comparison import CHANGES, MISSING, NEW, ComparedSide, PairedRuns
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.regrading import list_items_at

_SEARCHED_AT_ONCE = 200
_LONGEST_SEARCH_S = 0.8


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items of a comparison are wanted.

    Attributes:
        changes: What happened to them, words of `CHANGES`; empty for everything.
        criterion: The criterion that is meant by what happened and by scores; None for all together.
        least_change: Lowest difference of the scores, candidate less baseline.
        most_change: Highest difference of the scores.
        least_score: Lowest score of the candidate.
        most_score: Highest score of the candidate.
        group: A field and the text of its value.
        text: What the item or an answer contains, whatever the case.
    """

    changes: Sequence[str] = ()
    criterion: str | None = None
    least_change: float | None = None
    most_change: float | None = None
    least_score: float | None = None
    most_score: float | None = None
    group: tuple[str, str] | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of compared items.

    Attributes:
        texts: JSON text of each.
        total: How many items there are in all; None if texts were searched for.
        next: Where the next page begins; None if there is none.
        was_cut: Whether the search for a text ended early, so that the page may have fewer items than asked for.
    """

    texts: Sequence[str]
    total: int | None
    next: int | None
    was_cut: bool = False


@dataclass(frozen=True, slots=True)
class ChosenItems:
    """Items that were chosen: the change of each, and its number in each run, -1 where it is not."""

    changes: Numbers
    baseline: Numbers
    candidate: Numbers


async def read_page(tx: ReadTransaction, pair: PairedRuns, wanted: ItemFilter, start: int, limit: int) -> ItemPage:
    """Return a page of the items of a comparison, in the order of the candidate's positions, then missing ones.

    Args:
        tx: Open transaction.
        pair: The two runs.
        wanted: Which items.
        start: Where the page begins; what the page before said.
        limit: Most items.

    Raises:
        InvalidRequestError: A criterion, a field or a value that is named does not exist.
    """
    rows = await choose_items(tx, pair, wanted)
    count = len(rows.changes)
    if wanted.text is None:
        texts = await read_items(tx, pair, rows, range(start, min(start + limit, count)), wanted.criterion)
        return ItemPage(texts, count, start + limit if start + limit < count else None)
    sought, found, at = wanted.text.casefold(), list[str](), start
    until = time.monotonic() + _LONGEST_SEARCH_S
    while at < count:
        if time.monotonic() > until:
            return ItemPage(found, None, at, was_cut=True)
        part = range(at, min(at + _SEARCHED_AT_ONCE, count))
        for number, text in zip(part, await read_items(tx, pair, rows, part, wanted.criterion), strict=True):
            if sought in text.casefold():
                if len(found) == limit:
                    return ItemPage(found, None, number)
                found.append(text)
        at = part.stop
    return ItemPage(found, None, None)


async def choose_items(tx: ReadTransaction, pair: PairedRuns, wanted: ItemFilter) -> ChosenItems:
    """Return which items of a comparison are wanted, whatever they contain; see `read_page`."""
    in_group = [await _in_group(tx, side, wanted.group) for side in (pair.baseline, pair.candidate)]
    return _chosen(pair, wanted, in_group)


def _chosen(pair: PairedRuns, wanted: ItemFilter, in_group: Sequence[Numbers | None]) -> ChosenItems:
    if wanted.criterion is not None and wanted.criterion not in pair.shared_criteria:
        raise InvalidRequestError(
            f"The runs do not both have a criterion {wanted.criterion!r}.", param="criterion", code="invalid_value"
        )
    if unknown := [each for each in wanted.changes if each not in CHANGES]:
        raise InvalidRequestError(
            f"'change' must be one of {', '.join(CHANGES)}, not {unknown[0]!r}.", param="change", code="invalid_value"
        )
    rows = _paired_rows(pair, wanted, in_group[1])
    kinds = {CHANGES.index(each) for each in wanted.changes} or set(range(len(CHANGES)))
    parts = [rows]
    pairing = pair.pairing
    by_score = (wanted.least_change, wanted.most_change, wanted.least_score, wanted.most_score)
    # Without a partner there is no difference, and of what is missing there is no score either.
    if all(bound is None for bound in by_score):
        only_candidate = np.arange(len(pair.candidate.items.position)) if pairing is None else pairing.candidate_only
        only_baseline = np.arange(len(pair.baseline.items.position)) if pairing is None else pairing.baseline_only
        if in_group[0] is not None and in_group[1] is not None:
            only_baseline = only_baseline[in_group[0][only_baseline]]
            only_candidate = only_candidate[in_group[1][only_candidate]]
        parts += [_alone(NEW, only_candidate), _alone(MISSING, only_baseline)]
    changes = np.concatenate([part.changes for part in parts])
    baseline = np.concatenate([part.baseline for part in parts])
    candidate = np.concatenate([part.candidate for part in parts])
    if len(kinds) < len(CHANGES):
        is_wanted = np.isin(changes, list(kinds))
        changes, baseline, candidate = changes[is_wanted], baseline[is_wanted], candidate[is_wanted]
    return ChosenItems(changes, baseline, candidate)


def _paired_rows(pair: PairedRuns, wanted: ItemFilter, in_group: Numbers | None) -> ChosenItems:
    pairing = pair.pairing
    if pairing is None:
        nothing = np.zeros(0, np.int64)
        return ChosenItems(nothing, nothing, nothing)
    changes = pair.changes(wanted.criterion)
    is_wanted = np.ones(len(changes), bool) if in_group is None else in_group[pairing.candidate]
    bounds = (wanted.least_change, wanted.most_change, wanted.least_score, wanted.most_score)
    if any(bound is not None for bound in bounds):
        before, after = pair.scores(wanted.criterion)
        with np.errstate(invalid="ignore"):
            if wanted.least_change is not None:
                is_wanted = is_wanted & (after - before >= wanted.least_change)
            if wanted.most_change is not None:
                is_wanted = is_wanted & (after - before <= wanted.most_change)
            if wanted.least_score is not None:
                is_wanted = is_wanted & (after >= wanted.least_score)
            if wanted.most_score is not None:
                is_wanted = is_wanted & (after <= wanted.most_score)
    return ChosenItems(changes[is_wanted], pairing.baseline[is_wanted], pairing.candidate[is_wanted])


def _alone(change: int, numbers: Numbers) -> ChosenItems:
    nobody = np.full(len(numbers), -1, np.int64)
    of_baseline, of_candidate = (nobody, numbers) if change == NEW else (numbers, nobody)
    return ChosenItems(np.full(len(numbers), change, np.uint8), of_baseline, of_candidate)


async def _in_group(tx: ReadTransaction, side: ComparedSide, group: tuple[str, str] | None) -> Numbers | None:
    """Return for each item of a run whether it belongs to a group; None if every item will do."""
    if group is None:
        return None
    name, text = group
    columns = await load_columns(tx, side.run, len(side.criteria), (), (name,))
    if name not in columns.fields:
        raise InvalidRequestError(
            f"The items have no field {name!r} with at most 200 different values.", param="group", code="invalid_value"
        )
    codes = [code for code, value in enumerate(columns.fields[name], 1) if _as_text(value) == text]
    return np.isin(columns.field(name)[side.items.starts], codes)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else jsontext.render(value)


async def read_items(
    tx: ReadTransaction, pair: PairedRuns, rows: ChosenItems, part: range, criterion: str | None
) -> Sequence[str]:
    """Return the JSON text of some of the items that were chosen."""
    of_baseline, of_candidate = rows.baseline[part.start : part.stop], rows.candidate[part.start : part.stop]
    before = await _samples(tx, pair.baseline, of_baseline)
    after = await _samples(tx, pair.candidate, of_candidate)
    texts: list[str] = []
    for number, one, other in zip(part, of_baseline, of_candidate, strict=True):
        theirs, ours = before.get(int(one), []), after.get(int(other), [])
        shown: JsonObject = {
            "change": CHANGES[int(rows.changes[number])],
            "baseline": _shown(pair.baseline, theirs, criterion),
            "candidate": _shown(pair.candidate, ours, criterion),
        }
        first = next(iter([*ours, *theirs]), None)
        item = "null" if first is None else first.item_text
        texts.append(f'{jsontext.render(shown)[:-1]},"item":{item}}}')
    return texts


async def _samples(tx: ReadTransaction, side: ComparedSide, numbers: Numbers) -> Mapping[int, list[OutputItem]]:
    """Return the output items of some items of a run, by the number of the item."""
    positions = {int(side.items.position[number]): int(number) for number in numbers if number >= 0}
    found: dict[int, list[OutputItem]] = {}
    if positions:
        for item in await list_items_at(tx, side.run.scope, side.run.key, sorted(positions)):
            found.setdefault(positions[item.position], []).append(item)
    return found


def _shown(side: ComparedSide, items: Sequence[OutputItem], criterion: str | None) -> list[JsonValue]:
    names = side.criteria
    shown: list[JsonValue] = []
    for item in items:
        results: list[JsonValue] = [
            {
                "name": name,
                "score": None if grade.error is not None else grade.score,
                "passed": None if grade.error is not None else grade.passed,
            }
            for name, grade in zip(names, item.grades, strict=False)
            if criterion in (None, name)
        ]
        error = item.sample.error or next((grade.error for grade in item.grades if grade.error is not None), None)
        first = next((each for each in item.sample.output if isinstance(each, dict)), None)
        shown.append(
            {
                "id": item.id,
                "datasource_item_id": item.position,
                "repeat": item.repeat,
                "status": item.status.wire,
                "score": item.score,
                "output_text": None if first is None else text_of(first),
                "results": results,
                "error": None if error is None else {"code": error.code, "message": error.message},
            }
        )
    return shown
