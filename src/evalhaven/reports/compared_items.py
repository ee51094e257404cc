"""The items of a comparison, a page at a time: chosen by what happened to them, score, group and text."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.reports.columns.loading import Numbers, load_columns
from evalhaven.reports.compared_texts import ChosenItems, read_items
from evalhaven.reports.comparison import CHANGES, MISSING, NEW, ComparedSide, PairedRuns
from evalhaven.storage.reading import ReadTransaction

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
        items = await read_items(tx, pair, rows, range(start, min(start + limit, count)))
        texts = [item.text(wanted.criterion) for item in items]
        return ItemPage(texts, count, start + limit if start + limit < count else None)
    sought, found, at = wanted.text.casefold(), list[str](), start
    until = time.monotonic() + _LONGEST_SEARCH_S
    while at < count:
        if time.monotonic() > until:
            return ItemPage(found, None, at, was_cut=True)
        part = range(at, min(at + _SEARCHED_AT_ONCE, count))
        for number, item in zip(part, await read_items(tx, pair, rows, part), strict=True):
            if item.contains(sought):
                if len(found) == limit:
                    return ItemPage(found, None, number)
                found.append(item.text(wanted.criterion))
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
