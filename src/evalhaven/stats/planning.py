"""How many items a question needs, and what a number of items can show."""

import math

from evalhaven.stats.distributions import critical_value
from evalhaven.stats.intervals import TAIL

POWER = 0.8
"""How likely a planned comparison finds what it was planned for."""
SPREAD_WITHOUT_HISTORY = 0.1
"""Share of items that change between two runs, as long as nobody knows better."""


def spread_of_pairs(fixed: int, regressed: int, pairs: int) -> float:
    """Return the share of items that change (psi), estimated so that it is never 0.

    Args:
        fixed: Items that only the candidate passes.
        regressed: Items that only the baseline passes.
        pairs: All items; none at all: 0.1.

    Source: Laplace's rule of succession.
    """
    return (fixed + regressed + 1) / (pairs + 2) if pairs else SPREAD_WITHOUT_HISTORY


def items_for_no_regression(spread: float, margin: float, power: float = POWER) -> int | None:
    """Return how many items show "no regression" if nothing has changed.

    Args:
        spread: Share of items that change, or with repeats the variance of an item's difference; at least 0.
        margin: How much worse the candidate may be (delta), in the unit of the values, at least 0. With the true
            difference plus the margin here, the answer is for that difference.
        power: How likely they show it, 0.5 up to 1, 1 excluded.

    Returns:
        The number of items; None for a margin of 0, which no number of items shows.

    Raises:
        ValueError: The spread or the margin is negative, or the power out of range.

    Source: the normal approximation in Tango 1998, Stat. Med. 17:891, and in Lu, Bean 1995, Stat. Med. 14:1831.
    """
    if not spread >= 0 or not margin >= 0:
        raise ValueError(f"spread and margin must not be negative, got {spread!r} and {margin!r}")
    if margin == 0:
        return None
    both = critical_value(TAIL) + _of_power(power)
    items = both * both * spread / margin**2
    return _whole(items) if math.isfinite(items) else None


def items_to_see(difference: float, spread: float = SPREAD_WITHOUT_HISTORY, power: float = POWER) -> int | None:
    """Return how many items show a difference.

    Args:
        difference: The true difference, in the unit of the values, above 0.
        spread: Share of items that change, or the variance of an item's difference; above 0.
        power: How likely they show it, 0.5 up to 1, 1 excluded.

    Returns:
        The number of items; None if so few items change that the difference cannot be as large.

    Raises:
        ValueError: An argument is out of range.

    Source: Connor 1987, "Sample size for testing differences in proportions for the paired-sample design",
        Biometrics 43:207.
    """
    if not difference > 0 or not spread > 0:
        raise ValueError(f"difference and spread must be above 0, got {difference!r} and {spread!r}")
    if difference > spread:
        return None
    return _whole(_connor(difference, spread, _of_power(power)))


def visible_difference(items: float, spread: float = SPREAD_WITHOUT_HISTORY, power: float = POWER) -> float | None:
    """Return the smallest difference of rates, or of scores from 0 to 1, that a number of items shows.

    Args:
        items: Number of items, at least 0.
        spread: Share of items that change, or the variance of an item's difference; above 0.
        power: How likely they show it, 0.5 up to 1, 1 excluded.

    Returns:
        The difference, at most the spread; None if these items show not even one as large as that.

    Raises:
        ValueError: The spread or the power is out of range.

    Source: Connor 1987, Biometrics 43:207.
    """
    if not spread > 0:
        raise ValueError(f"spread must be above 0, got {spread!r}")
    factor = _of_power(power)
    by_chance = critical_value(TAIL)
    if items < by_chance**2:
        return None
    # The formula for the number of items, solved for the difference.
    root = by_chance * math.sqrt(items) + factor * math.sqrt(items - by_chance**2 + factor**2)
    difference = math.sqrt(spread) * root / (items + factor**2)
    return difference if difference <= min(spread, 1.0) else None


def visible_mean_difference(items: float, spread: float, power: float = POWER) -> float | None:
    """Return the smallest difference of scores without a known range that a number of items shows.

    Args:
        items: Number of items, at least 0; none at all show nothing.
        spread: Variance of an item's difference, above 0.
        power: How likely they show it, 0.5 up to 1, 1 excluded.

    Raises:
        ValueError: The spread or the power is out of range.

    Source: the normal approximation of the paired t test.
    """
    if not spread > 0:
        raise ValueError(f"spread must be above 0, got {spread!r}")
    if items <= 0:
        return None
    return (critical_value(TAIL) + _of_power(power)) * math.sqrt(spread / items)


def power_of_each(criteria: int, power: float = POWER) -> float:
    """Return the power that each criterion needs so that all of them pass together with a given one.

    Args:
        criteria: How many there are, at least 1.
        power: How likely all of them pass, if nothing has changed.

    Source: independent tests multiply; five of 80 % pass together in 33 of 100 releases.
    """
    if criteria < 1:
        raise ValueError(f"criteria must be at least 1, got {criteria!r}")
    return power ** (1 / criteria)


def items_to_reach(threshold: float) -> int | None:
    """Return the fewest items with which a rate can be shown to reach a threshold: all of them have to pass.

    Args:
        threshold: 0 to 1.

    Returns:
        The number of items; None for 1, which no number of items shows.

    Source: the lower limit of Wilson's interval at a rate of 1, solved for the number of items.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be between 0 and 1, got {threshold!r}")
    if threshold == 1:
        return None
    return max(1, _whole(critical_value(TAIL) ** 2 * threshold / (1 - threshold)))


def items_for_threshold(rate: float, threshold: float, power: float = POWER) -> int | None:
    """Return how many items show on which side of a threshold a rate is.

    Args:
        rate: The true rate, 0 to 1.
        threshold: 0 to 1.
        power: How likely they show it, 0.5 up to 1, 1 excluded.

    Returns:
        The number of items; None if the rate is the threshold.

    Raises:
        ValueError: An argument is out of range.

    Source: the score test of one proportion, whose interval is Wilson's.
    """
    if not 0 <= rate <= 1 or not 0 <= threshold <= 1:
        raise ValueError(f"rate and threshold must be between 0 and 1, got {rate!r} and {threshold!r}")
    if rate == threshold:
        return None
    by_chance = critical_value(TAIL) * math.sqrt(threshold * (1 - threshold))
    by_rate = _of_power(power) * math.sqrt(rate * (1 - rate))
    return max(1, _whole((by_chance + by_rate) ** 2 / (rate - threshold) ** 2))


def items_with_repeats(items: int, rate: float, within: float, repeats: int) -> int:
    """Return how many items show on which side of a threshold a rate is if each is sampled several times.

    Args:
        items: How many it takes with one sample of each (`items_for_threshold`).
        rate: The true rate, 0 to 1.
        within: Variance of one item's samples, averaged over items, at least 0 (`within_items`).
        repeats: Samples of each item, at least 1.

    Source: the law of total variance, as in Miller 2024, arXiv 2411.00640, section 3: only what varies within an item
        is divided by its samples. The rate is judged at its effective size, of which this is the expected one.
    """
    if within < 0 or repeats < 1:
        raise ValueError(f"the variance must not be negative and repeats at least 1, got {within} and {repeats}")
    whole = rate * (1 - rate)
    share = min(1.0, within / whole) if whole else 0.0
    return max(1, _whole(items * (1 - share * (1 - 1 / repeats))))


def spread_with_repeats(between: float, within: float, repeats: int) -> float:
    """Return the variance of an item's difference if each item is sampled several times in each run.

    Args:
        between: Variance of the true differences of items, at least 0; 0 if nothing has changed. Of two runs it is
            about `Comparison.spread` less twice `within` divided by their repeats, if that is above 0.
        within: Variance of one item's samples, averaged over items, at least 0 (`within_items`).
        repeats: Samples of each item in each run, at least 1.

    Source: the law of total variance, as in Miller 2024, arXiv 2411.00640, section 3.
    """
    if min(between, within) < 0 or repeats < 1:
        raise ValueError(f"variances must not be negative and repeats at least 1, got {between}, {within}, {repeats}")
    return between + 2 * within / repeats


def _connor(difference: float, spread: float, of_power: float) -> float:
    roots = critical_value(TAIL) * math.sqrt(spread) + of_power * math.sqrt(max(0.0, spread - difference**2))
    return roots * roots / difference**2


def _of_power(power: float) -> float:
    if not 0.5 <= power < 1:  # noqa: PLR2004 - below it, chance alone would do
        raise ValueError(f"power must be at least 0.5 and below 1, got {power!r}")
    return critical_value(1 - power)


def _whole(items: float) -> int:
    # A number that is whole but for rounding is not rounded up.
    return math.ceil(items * (1 - 1e-12))
