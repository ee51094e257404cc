"""Two runs over the same items, each item passed or failed once in each: intervals and tests from four counts."""

import math
from dataclasses import dataclass

from evalhaven.stats.distributions import bisect, critical_value, fair_coin_tail
from evalhaven.stats.intervals import TAIL, Interval, square_and_add, wilson_at


@dataclass(frozen=True, slots=True)
class Unknown:
    """Items of which one side alone has no outcome, because it erred or is missing.

    Attributes:
        candidate_on_passed: The candidate has none, and the baseline passed.
        candidate_on_failed: The candidate has none, and the baseline failed.
        baseline_on_passed: The baseline has none, and the candidate passed.
        baseline_on_failed: The baseline has none, and the candidate failed.
    """

    candidate_on_passed: int = 0
    candidate_on_failed: int = 0
    baseline_on_passed: int = 0
    baseline_on_failed: int = 0

    @property
    def total(self) -> int:
        """Return the number of such items."""
        return self.candidate_on_passed + self.candidate_on_failed + self.baseline_on_passed + self.baseline_on_failed


@dataclass(frozen=True, slots=True)
class PairCounts:
    """How many items have each pair of outcomes.

    Attributes:
        both_passed: Items that pass in both runs (a).
        fixed: Items that only the candidate passes (b).
        regressed: Items that only the baseline passes (c).
        both_failed: Items that fail in both (d).

    Raises:
        ValueError: A count is negative.
    """

    both_passed: int
    fixed: int
    regressed: int
    both_failed: int

    def __post_init__(self) -> None:
        """Refuse negative counts."""
        if min(self.both_passed, self.fixed, self.regressed, self.both_failed) < 0:
            raise ValueError(f"counts must not be negative, got {self!r}")

    @property
    def pairs(self) -> int:
        """Return the number of items (n)."""
        return self.both_passed + self.fixed + self.regressed + self.both_failed

    @property
    def difference(self) -> float:
        """Return the pass rate of the candidate less that of the baseline; 0.0 without items."""
        return (self.fixed - self.regressed) / self.pairs if self.pairs else 0.0

    def filled(self, unknown: Unknown) -> "PairCounts":
        """Return the counts as the worst case has them: an unknown candidate failed, an unknown baseline passed."""
        return PairCounts(
            self.both_passed + unknown.baseline_on_passed,
            self.fixed,
            self.regressed + unknown.candidate_on_passed + unknown.baseline_on_failed,
            self.both_failed + unknown.candidate_on_failed,
        )


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two-sided p-values of McNemar's test.

    Attributes:
        exact: The exact conditional test, which is conservative.
        mid_p: Its mid-p version, which is the one to show.
    """

    exact: float
    mid_p: float


def tango_statistic(fixed: float, regressed: float, pairs: float, difference: float) -> float:
    """Return Tango's score statistic: how many standard errors the data lie above a supposed difference.

    Args:
        fixed: Items that only the candidate passes, at least 0; may be a fraction.
        regressed: Items that only the baseline passes, at least 0; may be a fraction.
        pairs: All items, at least `fixed + regressed` and above 0; may be a fraction.
        difference: The supposed difference of the rates, -1 to 1.

    Returns:
        The statistic; infinite where the supposed difference is impossible.

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
        paired-sample design", Stat. Med. 17:891.
    """
    numerator = fixed - regressed - pairs * difference
    if numerator == 0:
        return 0.0
    a = 2 * pairs
    b = -fixed - regressed + (2 * pairs - fixed + regressed) * difference
    c = -regressed * difference * (1 - difference)
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    # The same root twice: each form subtracts nothing where the other one would lose digits.
    share = -2 * c / (b + root) if b > 0 else (root - b) / (2 * a)
    variance = pairs * (2 * share + difference * (1 - difference))
    if variance <= 0:
        return math.copysign(math.inf, numerator)
    return numerator / math.sqrt(variance)


def tango_interval(fixed: float, regressed: float, pairs: float, critical: float | None = None) -> Interval:
    """Return Tango's score interval for the difference of two paired rates.

    Args:
        fixed: Items that only the candidate passes, at least 0; may be a fraction.
        regressed: Items that only the baseline passes, at least 0; may be a fraction.
        pairs: All items, at least `fixed + regressed`; may be a fraction. None at all says nothing: (-1.0, 1.0).
        critical: How many standard errors the limits are away, above 0; by default those of a 95 % interval.

    Returns:
        The limits, -1 to 1.

    Raises:
        ValueError: The counts are negative, or there are more changes than items.

    Source: Tango 1998, Stat. Med. 17:891.
    """
    if fixed < 0 or regressed < 0 or fixed + regressed > pairs * (1 + 1e-9):
        raise ValueError(f"changes must be between 0 and all pairs, got {fixed!r}, {regressed!r} of {pairs!r}")
    critical = critical_value(TAIL) if critical is None else critical
    if pairs == 0:
        return Interval(-1.0, 1.0)
    if fixed == regressed == 0:
        limit = critical**2 / (pairs + critical**2)
        return Interval(-limit, limit)
    estimate = (fixed - regressed) / pairs

    def is_below_low(difference: float) -> bool:
        return tango_statistic(fixed, regressed, pairs, difference) > critical

    def is_below_high(difference: float) -> bool:
        return tango_statistic(fixed, regressed, pairs, difference) > -critical

    low = -1.0 if regressed >= pairs else bisect(is_below_low, -1.0, estimate)
    high = 1.0 if fixed >= pairs else bisect(is_below_high, estimate, 1.0)
    return Interval(low, high)


def newcombe_paired_interval(counts: PairCounts) -> Interval:
    """Return Newcombe's 95 % interval for the difference of two paired rates, shown beside Tango's.

    Args:
        counts: The four counts; without items (-1.0, 1.0).

    Source: method 10 in Newcombe 1998, Stat. Med. 17:2635, with his continuity correction of phi.
    """
    n = counts.pairs
    if n == 0:
        return Interval(-1.0, 1.0)
    critical = critical_value(TAIL)
    a, b, c, d = counts.both_passed, counts.fixed, counts.regressed, counts.both_failed
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    product = a * d - b * c
    if product > 0:
        product = max(0.0, product - n / 2)
    phi = product / math.sqrt(margins) if margins else 0.0
    limits = wilson_at(a + b, n, critical), wilson_at(a + c, n, critical)
    return square_and_add(((a + b) / n, (a + c) / n), limits, phi)


def mcnemar(fixed: int, regressed: int) -> McNemar:
    """Return the p-values of McNemar's test of no difference, exact and mid-p.

    Args:
        fixed: Items that only the candidate passes, at least 0.
        regressed: Items that only the baseline passes, at least 0.

    Returns:
        Both two-sided p-values, 0 to 1.

    Raises:
        ValueError: A count is negative.

    Source: McNemar 1947, Psychometrika 12; mid-p as in Fagerland, Lydersen, Laake 2013, "The McNemar test for binary
        matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Med. Res. Methodol. 13:91.
    """
    if min(fixed, regressed) < 0:
        raise ValueError(f"counts must not be negative, got {fixed!r} and {regressed!r}")
    if fixed + regressed == 0:
        return McNemar(1.0, 1.0)
    tail, exactly = fair_coin_tail(min(fixed, regressed), fixed + regressed)
    if fixed == regressed:
        return McNemar(1.0, 1 - exactly / 2)
    exact = min(1.0, 2 * tail)
    return McNemar(exact, exact - exactly)
