"""The difference between a candidate and a baseline: its interval, its p-value, and what both were computed from.

Differences are those of the candidate less the baseline, so a positive one is an improvement.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from evalhaven.stats.distributions import below, bisect, critical_value
from evalhaven.stats.intervals import TAIL, Interval, square_and_add
from evalhaven.stats.paired import (
    McNemar,
    PairCounts,
    mcnemar,
    newcombe_paired_interval,
    tango_interval,
    tango_statistic,
)
from evalhaven.stats.planning import spread_of_pairs, visible_difference, visible_mean_difference
from evalhaven.stats.rates import FEWEST_CLUSTERS, ROUNDING, Rate
from evalhaven.stats.sums import ItemSums

FEWEST_ITEMS = 10
"""Fewer items than this have no verdict."""
FEWEST_CLUSTERS_TO_JUDGE = 20
"""Fewer clusters than this have no verdict."""
_SMALLEST_TAIL = 1e-15


class Method(StrEnum):
    """How a difference was compared."""

    TANGO = "tango"
    TANGO_EFFECTIVE_SIZE = "tango_effective_size"
    PAIRED_T = "paired_t"
    NEWCOMBE_UNPAIRED = "newcombe_unpaired"
    WELCH = "welch"


class Evidence(Protocol):
    """What the interval and the p-values of a difference are computed from."""

    def interval(self) -> Interval | None:
        """Return the 95 % interval; None if there is none."""
        ...

    def p(self) -> float | None:
        """Return the two-sided p-value against "no difference"; None if there is none."""
        ...

    def share_below(self, difference: float) -> float | None:
        """Return the one-sided p-value against "the true difference is at least this"; None if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class PairedEvidence:
    """Changes among paired items, or among as many independent ones as they are worth.

    Attributes:
        fixed: Items that only the candidate passes.
        regressed: Items that only the baseline passes.
        pairs: All items.
        degrees: Degrees of freedom of Student's t; None: the normal distribution.
    """

    fixed: float
    regressed: float
    pairs: float
    degrees: float | None = None

    def interval(self) -> Interval:
        """Return Tango's interval."""
        return tango_interval(self.fixed, self.regressed, self.pairs, critical_value(TAIL, self.degrees))

    def p(self) -> float:
        """Return the two-sided p-value of Tango's statistic."""
        return 2 * below(-abs(tango_statistic(self.fixed, self.regressed, self.pairs, 0.0)), self.degrees)

    def share_below(self, difference: float) -> float:
        """Return the one-sided p-value of Tango's statistic."""
        return below(tango_statistic(self.fixed, self.regressed, self.pairs, difference), self.degrees)


@dataclass(frozen=True, slots=True)
class MeanEvidence:
    """A mean, or a difference of two, with its standard error.

    Attributes:
        difference: The estimate.
        standard_error: Above 0; 0.0 means that nothing can be told.
        degrees: Degrees of freedom.
    """

    difference: float
    standard_error: float
    degrees: float

    def interval(self) -> Interval | None:
        """Return Student's interval; None without spread."""
        if self.standard_error <= 0:
            return None
        half_width = critical_value(TAIL, self.degrees) * self.standard_error
        return Interval(self.difference - half_width, self.difference + half_width)

    def p(self) -> float | None:
        """Return the two-sided p-value of Student's t; None without spread."""
        if self.standard_error <= 0:
            return None
        return 2 * below(-abs(self.difference) / self.standard_error, self.degrees)

    def share_below(self, difference: float) -> float | None:
        """Return the one-sided p-value of Student's t; None without spread."""
        if self.standard_error <= 0:
            return None
        return below((self.difference - difference) / self.standard_error, self.degrees)


@dataclass(frozen=True, slots=True)
class UnpairedEvidence:
    """Two rates that are not paired, each with an interval."""

    candidate: Rate
    baseline: Rate

    def interval(self) -> Interval | None:
        """Return Newcombe's interval; None if a rate has none."""
        return self._interval_at(TAIL)

    def p(self) -> float | None:
        """Return the p-value at which a limit of Newcombe's interval would be 0."""
        share = self.share_below(0.0)
        return None if share is None else min(1.0, 2 * min(share, 1 - share))

    def share_below(self, difference: float) -> float | None:
        """Return the p-value at which a limit of Newcombe's interval would be the difference."""
        if self._interval_at(TAIL) is None:
            return None
        estimate = (self.candidate.value or 0.0) - (self.baseline.value or 0.0)
        if difference <= estimate:
            return 1 - self._tail_of(lambda interval: interval.low <= difference)
        return self._tail_of(lambda interval: interval.high >= difference)

    def _interval_at(self, tail: float) -> Interval | None:
        one, other = self.candidate, self.baseline
        if one.value is None or other.value is None or one.interval is None or other.interval is None:
            return None
        return square_and_add((one.value, other.value), (one.interval_at(tail), other.interval_at(tail)))

    def _tail_of(self, holds: Callable[[Interval], bool]) -> float:
        def is_within(log_tail: float) -> bool:
            interval = self._interval_at(math.exp(log_tail))
            return interval is not None and holds(interval)

        return math.exp(bisect(is_within, math.log(_SMALLEST_TAIL), math.log(0.5)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A difference with all that is told of it.

    Attributes:
        method: How it was compared.
        items: Pairs of items; items of both runs if they are not paired.
        clusters: Independent groups of them; of the smaller run if they are not paired.
        difference: The candidate's value less the baseline's; 0.0 without items.
        interval: Its 95 % interval; None if there is none.
        p: Two-sided p-value against "no difference": McNemar's mid-p, or that of the method; None if there is none.
        spread: Variance of an item's difference, or the share of items that changed: what planning needs. If items
            are not paired, of an item of each run. None if it is not known.
        visible: Smallest difference that these items show with 80 % power; None if not even the largest one.
        evidence: What all of it was computed from.
        size: Effective number of items; `items` if they are independent.
        is_clustered: Whether items may depend on each other, so that clusters decide whether there are enough.
        newcombe: Newcombe's paired interval, beside Tango's.
        exact: Both p-values of McNemar's test.
    """

    method: Method
    items: int
    clusters: int
    difference: float
    interval: Interval | None
    p: float | None
    spread: float | None
    visible: float | None
    evidence: Evidence
    size: float
    is_clustered: bool
    newcombe: Interval | None = None
    exact: McNemar | None = None

    @property
    def is_paired(self) -> bool:
        """Tell whether items were compared with themselves."""
        return self.method not in {Method.NEWCOMBE_UNPAIRED, Method.WELCH}

    @property
    def has_enough(self) -> bool:
        """Tell whether there are enough items, or clusters, for a verdict."""
        return self.clusters >= (FEWEST_CLUSTERS_TO_JUDGE if self.is_clustered else FEWEST_ITEMS)

    @property
    def can_be_judged(self) -> bool:
        """Tell whether there is an interval, and enough items for a verdict."""
        return self.interval is not None and self.has_enough

    def p_regression(self, margin: float) -> float | None:
        """Return the one-sided p-value against "the candidate is at most `margin` worse"; None if there is none."""
        return self.evidence.share_below(-margin)


def compare_pairs(counts: PairCounts) -> Comparison:
    """Compare outcomes of items that each passed or failed once in each run.

    Args:
        counts: Items by their two outcomes.

    Returns:
        The comparison; without items its interval is (-1.0, 1.0).

    Source: Tango 1998, Stat. Med. 17:891; Fagerland 2013, BMC Med. Res. Methodol. 13:91; Newcombe 1998, Stat. Med.
        17:2635; Connor 1987, Biometrics 43:207.
    """
    evidence = PairedEvidence(counts.fixed, counts.regressed, counts.pairs)
    test = mcnemar(counts.fixed, counts.regressed)
    spread = spread_of_pairs(counts.fixed, counts.regressed, counts.pairs)
    return Comparison(
        method=Method.TANGO,
        items=counts.pairs,
        clusters=counts.pairs,
        difference=counts.difference,
        interval=evidence.interval(),
        p=test.mid_p,
        spread=spread,
        visible=visible_difference(counts.pairs, spread),
        evidence=evidence,
        size=float(counts.pairs),
        is_clustered=False,
        newcombe=newcombe_paired_interval(counts),
        exact=test,
    )


def compare_sums(sums: ItemSums) -> Comparison:
    """Compare items with repeats, in clusters, or with scores of known range.

    Args:
        sums: Sums over the differences of items, each -1 to 1: scores are divided by the width of their range.

    Returns:
        The comparison; no interval for fewer than 10 clusters, no verdict for fewer than 20.

    Raises:
        ValueError: The differences are beyond -1 or 1.

    Source: the effective size after Rao, Scott 1992, Biometrics 48:577; clusters as in Miller 2024, arXiv 2411.00640;
        Tango 1998, Stat. Med. 17:891.
    """
    n, variance, evidence = sums.items, sums.variance, effective_evidence(sums)
    # Nothing has varied: as for counts, the next item may be the first to change.
    spread = n * variance if variance > 0 else 1 / (n + 2)
    known = sums.clusters >= FEWEST_CLUSTERS
    return Comparison(
        method=Method.TANGO_EFFECTIVE_SIZE,
        items=n,
        clusters=sums.clusters,
        difference=sums.mean,
        interval=evidence.interval() if known else None,
        p=evidence.p() if known else None,
        spread=spread,
        visible=visible_difference(n, spread),
        evidence=evidence,
        size=evidence.pairs,
        is_clustered=True,
    )


def effective_evidence(sums: ItemSums) -> PairedEvidence:
    """Return as how many independent changes and items the differences of items in clusters count.

    Args:
        sums: Sums over the differences of items, each -1 to 1.

    Raises:
        ValueError: The differences are beyond -1 or 1.

    Source: Rao, Scott 1992, Biometrics 48:577.
    """
    n, changed = sums.items, sums.gains + sums.losses
    if changed > n * (1 + ROUNDING):
        raise ValueError(f"differences must be between -1 and 1, but the mean of their sizes is {changed / n!r}")
    variance = sums.variance
    independent = (changed / n - sums.mean**2) / n if n else 0.0
    # What an item counts for: above 1 if the values of a cluster resemble each other.
    factor = variance / independent if variance > 0 and independent > 0 else (n / sums.clusters if n else 1.0)
    return PairedEvidence(sums.gains / factor, sums.losses / factor, n / factor, max(1.0, sums.clusters - 1.0))


def compare_scores(sums: ItemSums) -> Comparison:
    """Compare scores without a known range by the paired t test.

    Args:
        sums: Sums over the differences of items, in any unit.

    Returns:
        The comparison; no interval and no p-value without spread.

    Source: Student 1908, Biometrika 6; robust to clusters as in Miller 2024, arXiv 2411.00640.
    """
    variance = sums.variance
    evidence = MeanEvidence(sums.mean, math.sqrt(variance), max(1.0, sums.clusters - 1.0))
    spread = sums.items * variance
    return Comparison(
        method=Method.PAIRED_T,
        items=sums.items,
        clusters=sums.clusters,
        difference=sums.mean,
        interval=evidence.interval(),
        p=evidence.p(),
        spread=spread or None,
        visible=visible_mean_difference(sums.items, spread) if spread else None,
        evidence=evidence,
        size=float(sums.items),
        is_clustered=sums.is_clustered,
    )


def compare_unpaired_rates(candidate: Rate, baseline: Rate) -> Comparison:
    """Compare two rates whose items cannot be paired.

    Args:
        candidate: Rate of the candidate.
        baseline: Rate of the baseline.

    Returns:
        The comparison; no interval if a rate has none.

    Source: method 10 in Newcombe 1998, Stat. Med. 17:873, each Wilson interval at its effective size.
    """
    evidence = UnpairedEvidence(candidate, baseline)
    return Comparison(
        method=Method.NEWCOMBE_UNPAIRED,
        items=candidate.items + baseline.items,
        clusters=min(candidate.clusters, baseline.clusters),
        difference=(candidate.value or 0.0) - (baseline.value or 0.0),
        interval=evidence.interval(),
        p=evidence.p(),
        spread=_sum_known(candidate.spread, baseline.spread),
        visible=None,
        evidence=evidence,
        size=candidate.size + baseline.size,
        is_clustered=candidate.degrees is not None or baseline.degrees is not None,
    )


def compare_unpaired_scores(candidate: ItemSums, baseline: ItemSums) -> Comparison:
    """Compare scores without a known range whose items cannot be paired.

    Args:
        candidate: Sums over the candidate's scores.
        baseline: Sums over the baseline's scores.

    Returns:
        The comparison; no interval and no p-value without spread.

    Source: Welch 1947, Biometrika 34.
    """
    one, other = candidate.variance, baseline.variance
    parts = [(each, sums.clusters - 1) for each, sums in ((one, candidate), (other, baseline)) if each > 0]
    degrees = (one + other) ** 2 / sum(each * each / freedom for each, freedom in parts) if parts else 1.0
    evidence = MeanEvidence(candidate.mean - baseline.mean, math.sqrt(one + other), degrees)
    return Comparison(
        method=Method.WELCH,
        items=candidate.items + baseline.items,
        clusters=min(candidate.clusters, baseline.clusters),
        difference=evidence.difference,
        interval=evidence.interval(),
        p=evidence.p(),
        spread=(one * candidate.items + other * baseline.items) or None,
        visible=None,
        evidence=evidence,
        size=float(candidate.items + baseline.items),
        is_clustered=candidate.is_clustered or baseline.is_clustered,
    )


def _sum_known(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
