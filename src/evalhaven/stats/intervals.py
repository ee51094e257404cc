"""Confidence intervals of one rate, and of two rates that are not paired."""

import math
from typing import NamedTuple

from evalhaven.stats.distributions import beta_quantile, critical_value

TAIL = 0.025
"""What a 95 % interval leaves out on each side, and the level of every one-sided decision."""


class Interval(NamedTuple):
    """The limits of a confidence interval."""

    low: float
    high: float


def wilson_interval(successes: float, total: float, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for a proportion, without continuity correction.

    Unlike the interval that textbooks start with (rate plus or minus 1.96 standard errors), it stays inside
    [0, 1] and keeps its width near 0 and 1 and for small samples, where most pass rates lie.

    Args:
        successes: How many of the trials succeeded, 0 to `total`; may be a fraction.
        total: How many trials there were; may be a fraction. None at all says nothing: (0.0, 1.0).
        confidence: The share of intervals that contain the true proportion, between 0 and 1, both excluded.

    Returns:
        The lower and the upper bound; exactly 0.0 without a success, exactly 1.0 without a failure.

    Raises:
        ValueError: The counts are negative, there are more successes than trials, or the confidence is
            not between 0 and 1.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22;
        method 3 in Newcombe 1998, "Two-sided confidence intervals for the single proportion", Stat. Med. 17.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, both excluded, got {confidence!r}")
    return wilson_at(successes, total, critical_value((1 - confidence) / 2))


def wilson_at(successes: float, total: float, critical: float) -> Interval:
    """Return Wilson's score interval at a critical value of one's own, which may be Student's.

    Args:
        successes: 0 to `total`; may be a fraction.
        total: At least 0; may be a fraction.
        critical: How many standard errors the limits are away, at least 0.

    Raises:
        ValueError: The counts are negative, or there are more successes than trials.

    Source: as for `wilson_interval`.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"successes must be between 0 and total, got {successes!r} of {total!r}")
    if total == 0:
        return Interval(0.0, 1.0)
    rate = successes / total
    shrink = 1 + critical**2 / total
    centre = (rate + critical**2 / (2 * total)) / shrink
    half_width = critical / shrink * math.sqrt(rate * (1 - rate) / total + (critical / (2 * total)) ** 2)
    # At the extremes the bounds are 0 and 1 by algebra, which rounding would miss by one unit.
    low = 0.0 if successes == 0 else max(0.0, centre - half_width)
    high = 1.0 if successes == total else min(1.0, centre + half_width)
    return Interval(low, high)


def beta_interval(successes: int, total: int) -> Interval:
    """Return the 95 % credible interval of a rate under Jeffreys' prior, Beta(1/2, 1/2).

    It is shown beside Wilson's where there are fewer than 30 items.

    Args:
        successes: 0 to `total`.
        total: At least 0.

    Raises:
        ValueError: The counts are negative, or there are more successes than trials.

    Source: Bowyer, Aitchison, Ivanova 2025, "Position: Don't use the CLT in LLM evals with fewer than a few hundred
        datapoints", arXiv 2503.01747; Jeffreys 1946, Proc. R. Soc. A 186.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"successes must be between 0 and total, got {successes!r} of {total!r}")
    a, b = successes + 0.5, total - successes + 0.5
    return Interval(beta_quantile(TAIL, a, b), beta_quantile(1 - TAIL, a, b))


def square_and_add(rates: tuple[float, float], limits: tuple[Interval, Interval], correlation: float = 0.0) -> Interval:
    """Return the interval of a difference of two rates from the interval of each.

    Args:
        rates: The rate of the candidate and that of the baseline, 0 to 1.
        limits: The interval of each.
        correlation: Of the two outcomes of an item, -1 to 1; 0 if they are not paired.

    Source: method 10 in Newcombe 1998, "Interval estimation for the difference between independent proportions",
        Stat. Med. 17:873; with a correlation, method 10 in Newcombe 1998, "Improved confidence intervals for the
        difference between binomial proportions based on paired data", Stat. Med. 17:2635.
    """
    (first, second), (of_first, of_second) = rates, limits
    difference = first - second

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * correlation * one * other + other * other))

    return Interval(
        difference - distance(first - of_first.low, of_second.high - second),
        difference + distance(of_first.high - first, second - of_second.low),
    )
