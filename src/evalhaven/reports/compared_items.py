"""The items of a comparison, a page at a time: chosen by what happened to them, score, group and text, and sorted."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.paging import Order
from evalhaven.reports.columns.loading import Numbers, load_columns
from evalhaven.reports.compared_texts import ChosenItems, read_items
from evalhaven.reports.comparison import CHANGES, MISSING, NEW, ComparedSide, PairedRuns, counts_of
from evalhaven.reports.fields import places_of
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.comparisons import ComparedCounts

_SEARCHED_AT_ONCE = 200
_LONGEST_SEARCH_S = 0.8

ComparedSort = Literal["position", "change"]


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items of a comparison are wanted, and in which order.

    Attributes:
        changes: What happened to them, words of `CHANGES`; empty for everything.
        criterion: The criterion that is meant by what happened and by scores; None for all together.
        least_change: Lowest difference of the scores, candidate less baseline.
        most_change: Highest difference of the scores.
        least_score: Lowest score of the candidate.
        most_score: Highest score of the candidate.
        group: A field and the text of its value.
        text: What the item or an answer contains, whatever the case.
        sort: By the candidate's positions, then missing ones; or by the difference of the scores, those without one
            last.
        order: Whether the lowest come first.
    """

    changes: Sequence[str] = ()
    criterion: str | None = None
    least_change: float | None = None
    most_change: float | None = None
    least_score: float | None = None
    most_score: float | None = None
    group: tuple[str, str] | None = None
    text: str | None = None
    sort: ComparedSort = "position"
    order: Order = "asc"


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of compared items.

    Attributes:
        texts: JSON text of each.
        total: How many items there are in all; None if texts were searched for.
        counts: How many items the filter leaves by what happened to them, whichever of that is wanted; None if texts
            were searched for.
        next: Where the next page begins; None if there is none.
        was_cut: Whether the search for a text ended early, so that the page may have fewer items than asked for.
    """

    texts: Sequence[str]
    total: int | None
    counts: ComparedCounts | None
    next: int | None
    was_cut: bool = False


async def read_page(tx: ReadTransaction, pair: PairedRuns, wanted: ItemFilter, start: int, limit: int) -> ItemPage:
    """Return a page of the items of a comparison.

    Args:
        tx: Open transaction.
        pair: The two runs.
        wanted: Which items.
        start: Where the page begins; what the page before said.
        limit: Most items.

    Raises:
        InvalidRequestError: A criterion, a field or a value that is named does not exist.
    """
    found = await _find(tx, pair, wanted)
    chosen = _of_changes(found, wanted.changes)
    count = len(chosen.changes)
    if wanted.text is not None:
        return await _search(tx, pair, wanted, _in_order(chosen, wanted, range(count)), start, limit)
    part = _in_order(chosen, wanted, range(start, min(start + limit, count)))
    items = await read_items(tx, pair, part)
    texts = [item.text(wanted.criterion) for item in items]
    return ItemPage(texts, count, counts_of(found.changes), start + limit if start + limit < count else None)


async def choose_items(tx: ReadTransaction, pair: PairedRuns, wanted: ItemFilter) -> ChosenItems:
    """Return which items of a comparison are wanted, whatever they contain; see `read_page`."""
    chosen = _of_changes(await _find(tx, pair, wanted), wanted.changes)
    return _in_order(chosen, wanted, range(len(chosen.changes)))


async def _search(
    tx: ReadTransaction, pair: PairedRuns, wanted: ItemFilter, rows: ChosenItems, start: int, limit: int
) -> ItemPage:
    sought, found, at, count = (wanted.text or "").casefold(), list[str](), start, len(rows.changes)
    until = time.monotonic() + _LONGEST_SEARCH_S
    while at < count:
        if time.monotonic() > until:
            return ItemPage(found, None, None, at, was_cut=True)
        part = slice(at, min(at + _SEARCHED_AT_ONCE, count))
        for number, item in enumerate(await read_items(tx, pair, rows.part(part)), at):
            if item.contains(sought):
                if len(found) == limit:
                    return ItemPage(found, None, None, number)
                found.append(item.text(wanted.criterion))
        at = part.stop
    return ItemPage(found, None, None, None)


async def _find(tx: ReadTransaction, pair: PairedRuns, wanted: ItemFilter) -> ChosenItems:
    """Return the items that a filter leaves, whatever happened to them."""
    in_group = [await _in_group(tx, side, wanted.group) for side in (pair.baseline, pair.candidate)]
    if wanted.criterion is not None and wanted.criterion not in pair.shared_criteria:
        raise InvalidRequestError(
            f"The runs do not both have a criterion {wanted.criterion!r}.", param="criterion", code="invalid_value"
        )
    rows = _paired_rows(pair, wanted, in_group[1])
    # Without a partner there is no difference, and of what is missing there is no score either.
    if _is_by_score(wanted):
        return rows
    pairing = pair.pairing
    only_candidate = np.arange(len(pair.candidate.items.position)) if pairing is None else pairing.candidate_only
    only_baseline = np.arange(len(pair.baseline.items.position)) if pairing is None else pairing.baseline_only
    if in_group[0] is not None and in_group[1] is not None:
        only_baseline = only_baseline[in_group[0][only_baseline]]
        only_candidate = only_candidate[in_group[1][only_candidate]]
    return ChosenItems.joined((rows, _alone(NEW, only_candidate), _alone(MISSING, only_baseline)))


def _of_changes(found: ChosenItems, changes: Sequence[str]) -> ChosenItems:
    if unknown := [each for each in changes if each not in CHANGES]:
        raise InvalidRequestError(
            f"'change' must be one of {', '.join(CHANGES)}, not {unknown[0]!r}.", param="change", code="invalid_value"
        )
    kinds = {CHANGES.index(each) for each in changes}
    return found.part(np.isin(found.changes, list(kinds))) if 0 < len(kinds) < len(CHANGES) else found


def _in_order(rows: ChosenItems, wanted: ItemFilter, ranks: range) -> ChosenItems:
    """Return the items that have some ranks in the order that is wanted."""
    count, start, stop = len(rows.changes), ranks.start, ranks.stop
    if start >= stop:
        return rows.part(slice(0, 0))
    is_falling = wanted.order == "desc"
    if wanted.sort == "position":
        part = slice(start, stop)
        return rows.part(np.arange(count)[::-1][part] if is_falling else part)
    keys = np.nan_to_num(-rows.score_changes if is_falling else rows.score_changes, nan=np.inf)
    # A page of a million items is wanted at once: only those that can be on it are sorted.
    low, high = np.partition(keys, (start, stop - 1))[[start, stop - 1]]
    near = np.flatnonzero((keys >= low) & (keys <= high))
    first = start - np.count_nonzero(keys < low)
    return rows.part(near[np.argsort(keys[near], kind="stable")][first : first + len(ranks)])


def _is_by_score(wanted: ItemFilter) -> bool:
    bounds = (wanted.least_change, wanted.most_change, wanted.least_score, wanted.most_score)
    return any(bound is not None for bound in bounds)


def _paired_rows(pair: PairedRuns, wanted: ItemFilter, in_group: Numbers | None) -> ChosenItems:
    pairing = pair.pairing
    if pairing is None:
        nothing = np.zeros(0, np.int64)
        return ChosenItems(nothing, nothing, nothing, np.zeros(0))
    before, after = pair.scores(wanted.criterion)
    with np.errstate(invalid="ignore"):
        score_changes = after - before
    rows = ChosenItems(pair.changes(wanted.criterion), pairing.baseline, pairing.candidate, score_changes)
    is_wanted = None if in_group is None else in_group[pairing.candidate]
    for values, least, most in (
        (score_changes, wanted.least_change, wanted.most_change),
        (after, wanted.least_score, wanted.most_score),
    ):
        if least is not None:
            is_wanted = values >= least if is_wanted is None else is_wanted & (values >= least)
        if most is not None:
            is_wanted = values <= most if is_wanted is None else is_wanted & (values <= most)
    return rows if is_wanted is None else rows.part(is_wanted)


def _alone(change: int, numbers: Numbers) -> ChosenItems:
    nobody = np.full(len(numbers), -1, np.int64)
    of_baseline, of_candidate = (nobody, numbers) if change == NEW else (numbers, nobody)
    return ChosenItems(
        np.full(len(numbers), change, np.uint8), of_baseline, of_candidate, np.full(len(numbers), np.nan)
    )


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
    codes = places_of(columns.fields[name], text)
    return np.isin(columns.field(name)[side.items.starts], codes)
