"""The rate of one run, or the mean of scores whose range is known, with its interval."""

from dataclasses import dataclass
from enum import StrEnum

from evalhaven.stats.distributions import critical_value
from evalhaven.stats.intervals import TAIL, Interval, beta_interval, wilson_at
from evalhaven.stats.sums import ItemSums

THIN = 30
"""Fewer items than this are thin data."""
FEWEST_CLUSTERS = 10
"""Fewer clusters than this have no interval."""
ROUNDING = 1e-9


class RateMethod(StrEnum):
    """How the interval of a rate was computed."""

    WILSON = "wilson"
    WILSON_EFFECTIVE_SIZE = "wilson_effective_size"


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate with its 95 % interval.

    Attributes:
        value: The rate, 0 to 1; None without items.
        items: Number of items.
        clusters: Number of independent groups of them; `items` if each is independent.
        size: What the interval was computed for: the items, or the effective size. 0.0 without an interval.
        degrees: Degrees of freedom of Student's t; None: the normal distribution.
        interval: The limits; None without items, or with fewer than 10 clusters.
        method: How the limits were computed.
        credible: Beside them, the credible interval where data are thin: fewer than 30 items, each passed or failed.
    """

    value: float | None
    items: int
    clusters: int
    size: float
    degrees: float | None
    interval: Interval | None
    method: RateMethod
    credible: Interval | None = None

    @property
    def is_thin(self) -> bool:
        """Tell whether there are fewer than 30 items."""
        return self.items < THIN

    def interval_at(self, tail: float) -> Interval:
        """Return the limits that leave out another probability on each side; (0.0, 1.0) without an interval."""
        if self.value is None or self.interval is None:
            return Interval(0.0, 1.0)
        passed = min(self.value * self.size, self.size)
        return wilson_at(passed, self.size, critical_value(tail, self.degrees))

    @property
    def spread(self) -> float | None:
        """Return the variance that one more item adds, estimated so that it is never 0; None without an interval."""
        if self.value is None or self.interval is None:
            return None
        rate = (self.value * self.size + 1) / (self.size + 2)
        return rate * (1 - rate) * self.items / self.size


def rate_of_counts(passed: int, total: int) -> Rate:
    """Return the rate of items that each passed or failed once.

    Args:
        passed: 0 to `total`.
        total: At least 0.

    Raises:
        ValueError: The counts are negative, or more passed than there are.

    Source: Wilson 1927, JASA 22; under 30 items also Beta(1/2, 1/2), arXiv 2503.01747.
    """
    interval = wilson_at(passed, total, critical_value(TAIL))
    if total == 0:
        return Rate(None, 0, 0, 0.0, None, None, RateMethod.WILSON)
    credible = beta_interval(passed, total) if total < THIN else None
    return Rate(passed / total, total, total, float(total), None, interval, RateMethod.WILSON, credible)


def rate_of_sums(sums: ItemSums, most: int | None = None) -> Rate:
    """Return the mean of item values from 0 to 1: repeats, clusters, scores divided by their range, pass^k.

    Args:
        sums: Sums of the values. Scores are taken less the lower end of their range and divided by its width.
        most: As how many independent values these count at most: clusters times repeats, and for pass@k and pass^k
            times the whole number of times that k fits into the repeats. By default the number of clusters.

    Returns:
        The rate with Wilson's interval at its effective size; no interval for fewer than 10 clusters.

    Raises:
        ValueError: The mean is not between 0 and 1, or `most` is below 1.

    Source: the effective size after Rao, Scott 1992, "A simple method for the analysis of clustered binary data",
        Biometrics 48:577, with Student's t for the normal distribution.
    """
    most = sums.clusters if most is None else most
    if sums.items == 0:
        return Rate(None, 0, 0, 0.0, None, None, RateMethod.WILSON_EFFECTIVE_SIZE)
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most!r}")
    mean, method = sums.mean, RateMethod.WILSON_EFFECTIVE_SIZE
    if not -ROUNDING <= mean <= 1 + ROUNDING:
        raise ValueError(f"values must be between 0 and 1, but their mean is {mean!r}")
    mean = min(1.0, max(0.0, mean))
    if sums.clusters < FEWEST_CLUSTERS:
        return Rate(mean, sums.items, sums.clusters, 0.0, None, None, method)
    variance = sums.variance
    size = min(mean * (1 - mean) / variance, float(most)) if variance > 0 else float(sums.clusters)
    degrees = float(sums.clusters - 1)
    interval = wilson_at(min(mean * size, size), size, critical_value(TAIL, degrees))
    return Rate(mean, sums.items, sums.clusters, size, degrees, interval, method)


def rate_of_repeated_counts(passed: int, total: int, repeats: int) -> Rate:
    """Return the rate of samples of which several belong to one item, where only their counts are known.

    The interval is that of as many values as there are items, as if all samples of an item were alike: it is never too
    narrow.

    Args:
        passed: Samples that passed, 0 to `total`.
        total: Samples that passed or failed.
        repeats: Samples of each item, at least 1.

    Source: Wilson 1927, JASA 22, with the design effect at its highest, which is `repeats`.
    """
    if repeats == 1 or total == 0:
        return rate_of_counts(passed, total)
    size, value = total / repeats, passed / total
    items = max(1, round(size))
    interval = wilson_at(value * size, size, critical_value(TAIL))
    return Rate(value, items, items, size, None, interval, RateMethod.WILSON_EFFECTIVE_SIZE)
