"""Items of two runs paired: by their content, by named fields, or by position in the file that both read.

An item is a position of a run with all of its repeats. Its value is the share of its samples that passed, among those
with a result: 0 or 1 without repeats, NaN if none has a result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from evalhaven.domain.statuses import ItemStatus
from evalhaven.reports.columns.loading import Numbers, RunColumns
from evalhaven.reports.columns.making import FAILED, PASSED

PairedBy = Literal["content", "fields", "position"]

FEW_PAIRS = 0.5
"""Where a smaller share of the items has a partner of equal content, this may be chance: rows may be alike."""

# Odd numbers, by which a key is mixed with the count of equal keys before it.
_MIX_KEY = np.uint64(0x9E3779B97F4A7C15)
_MIX_COUNT = np.uint64(0xC2B2AE3D27D4EB4F)


@dataclass(frozen=True, slots=True)
class RunItems:
    """The items of a run, in order of position.

    Attributes:
        columns: The run by column.
        starts: Where the samples of each item begin in the columns.
        position: Position of each item.
        key: What an item is paired by, made of its content.
    """

    columns: RunColumns
    starts: Numbers
    position: Numbers
    key: Numbers
    _values: dict[int | None, Numbers] = field(default_factory=dict[int | None, Numbers])

    def values(self, criterion: int | None = None) -> Numbers:
        """Return the share of samples that passed, of each item; NaN where none has a result.

        Args:
            criterion: Number of a criterion; None for all of them together.
        """
        found = self._values.get(criterion)
        if found is None:
            if criterion is None:
                status = self.columns.array("status")
                passed, known = status == ItemStatus.PASS, status != ItemStatus.ERROR
            else:
                outcome = self.columns.outcome(criterion)
                passed, known = outcome == PASSED, (outcome == PASSED) | (outcome == FAILED)
            found = self._values[criterion] = self._shares(passed, known)
        return found

    def scores(self, criterion: int | None = None) -> Numbers:
        """Return the mean score of each item; NaN where it has none."""
        scores = self.columns.array("score") if criterion is None else self.columns.criterion_score(criterion)
        if len(self.starts) == self.columns.count:
            return scores
        known = ~np.isnan(scores)
        return self._divided(np.where(known, scores, 0.0), known)

    @property
    def is_repeated(self) -> bool:
        """Tell whether any item has more than one sample."""
        return len(self.starts) != self.columns.count

    @property
    def samples_each(self) -> float:
        """Return how many samples an item has, on average."""
        return self.columns.count / len(self.starts) if len(self.starts) else 1.0

    def _shares(self, passed: Numbers, known: Numbers) -> Numbers:
        if not self.is_repeated:
            return np.where(known, passed.astype(np.float64), np.nan)
        return self._divided((passed & known).astype(np.float64), known)

    def _divided(self, values: Numbers, known: Numbers) -> Numbers:
        totals = np.add.reduceat(values, self.starts)
        counts = np.add.reduceat(known.astype(np.float64), self.starts)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(counts > 0, totals / counts, np.nan)


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which items of two runs belong together.

    Attributes:
        by: How they were paired.
        baseline: Numbers of the items of the baseline that have a partner.
        candidate: Number of the partner of each, in order of the candidate's positions.
        baseline_only: Numbers of the items of the baseline without a partner.
        candidate_only: Numbers of the items of the candidate without a partner.
    """

    by: PairedBy
    baseline: Numbers
    candidate: Numbers
    baseline_only: Numbers
    candidate_only: Numbers

    @property
    def share(self) -> float:
        """Return which share of the items of the smaller run have a partner."""
        paired = len(self.baseline)
        smaller = paired + min(len(self.baseline_only), len(self.candidate_only))
        return paired / smaller if smaller else 0.0


def items_of(columns: RunColumns, keys: Mapping[int, int] | None = None) -> RunItems:
    """Return the items of a run.

    Args:
        columns: The run by column, with `position` and, without `keys`, `key`.
        keys: What each position is paired by instead of its content; positions that are not there have no partner.
    """
    position = columns.array("position")
    starts = np.flatnonzero(np.diff(position, prepend=-1))
    first = position[starts]
    if keys is None:
        key = columns.array("key")[starts]
    else:
        key = np.array([keys.get(int(each), 0) for each in first], np.uint64)
    return RunItems(columns, starts, first, key)


def pair_items(baseline: RunItems, candidate: RunItems, by: PairedBy) -> Pairing:
    """Pair the items of two runs; of items with equal keys, the first of one run belongs to the first of the other."""
    if by == "position":
        return _paired(by, baseline.position.astype(np.uint64), candidate.position.astype(np.uint64))
    if np.array_equal(baseline.key, candidate.key):
        # Both read the same rows in the same order, as most runs that are compared do.
        everything, nothing = np.arange(len(baseline.key)), np.zeros(0, np.int64)
        return Pairing(by, everything, everything, nothing, nothing)
    return _paired(by, _distinct(baseline.key), _distinct(candidate.key))


def _paired(by: PairedBy, baseline: Numbers, candidate: Numbers) -> Pairing:
    order, others = np.argsort(baseline, kind="stable"), np.argsort(candidate, kind="stable")
    sorted_keys, sought = baseline[order], candidate[others]
    # Looking up sorted keys is several times as fast as looking up keys in any order.
    places = np.searchsorted(sorted_keys, sought)
    is_found = np.zeros(len(sought), bool)
    is_inside = places < len(sorted_keys)
    is_found[is_inside] = sorted_keys[places[is_inside]] == sought[is_inside]
    partner = np.full(len(candidate), -1, np.int64)
    partner[others[is_found]] = order[places[is_found]]
    has_partner = partner >= 0
    of_baseline, of_candidate = partner[has_partner], np.flatnonzero(has_partner)
    is_paired = np.zeros(len(baseline), bool)
    is_paired[of_baseline] = True
    return Pairing(by, of_baseline, of_candidate, np.flatnonzero(~is_paired), np.flatnonzero(~has_partner))


def _distinct(keys: Numbers) -> Numbers:
    """Return keys in which the second, third … of equal ones differ from the first."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_first = np.ones(len(keys), bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    if is_first.all():
        return keys
    firsts = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
    counts = np.zeros(len(keys), np.uint64)
    counts[order] = (np.arange(len(keys)) - firsts).astype(np.uint64)
    with np.errstate(over="ignore"):
        return np.where(counts > 0, keys * _MIX_KEY ^ counts * _MIX_COUNT, keys)
