"""What an interval says about a margin or a threshold. One-sided level: 2.5 %."""

from dataclasses import dataclass
from enum import StrEnum

from evalhaven.stats.comparisons import FEWEST_CLUSTERS_TO_JUDGE, Comparison
from evalhaven.stats.intervals import TAIL
from evalhaven.stats.planning import items_for_no_regression, items_for_threshold, items_to_reach
from evalhaven.stats.rates import Rate, RateMethod


class Verdict(StrEnum):
    """What is known about one criterion."""

    BETTER = "better"
    NO_REGRESSION = "no_regression"
    REGRESSION = "regression"
    REACHED = "reached"
    BELOW = "below"
    INCONCLUSIVE = "inconclusive"

    @property
    def passes(self) -> bool:
        """Tell whether it is good enough."""
        return self in {Verdict.BETTER, Verdict.NO_REGRESSION, Verdict.REACHED}

    @property
    def blocks(self) -> bool:
        """Tell whether it is known not to be good enough."""
        return self in {Verdict.REGRESSION, Verdict.BELOW}


class Reason(StrEnum):
    """Why a verdict is inconclusive."""

    TOO_FEW = "too_few_items"
    TOO_FEW_CLUSTERS = "too_few_clusters"
    NO_SPREAD = "no_spread"
    WIDE = "interval_too_wide"
    ONE_OF_MANY = "regression_not_certain_among_several_criteria"
    UNKNOWN_OUTCOMES = "unknown_outcomes_decide"
    ERRORS = "too_many_errors"
    UNSHARED = "too_many_rows_of_one_run_only"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what explains it.

    Attributes:
        verdict: The verdict.
        reason: Why it is inconclusive, else None.
        is_worse: Whether it is no regression, and yet certainly worse: within the margin.
        items_needed: If inconclusive: how many items settle it if nothing has changed (N0); of a threshold, the
            fewest that can reach it. None if no number does.
        items_if_true: If inconclusive: how many items settle it if the estimate is true (N1); None if no number does.
    """

    verdict: Verdict
    reason: Reason | None = None
    is_worse: bool = False
    items_needed: int | None = None
    items_if_true: int | None = None


def judge_difference(comparison: Comparison, margin: float, p_regression: float | None = None) -> Judgement:
    """Say whether a candidate is better, no regression, a regression, or none of these for certain.

    Args:
        comparison: The comparison.
        margin: How much worse the candidate may be (delta), in the unit of the difference, at least 0; with 0 only an
            improvement passes.
        p_regression: The p-value of `Comparison.p_regression`, adjusted for other criteria; a regression also needs
            this to be at most 0.025. By default there are no others, and the interval decides alone.

    Returns:
        The judgement.

    Raises:
        ValueError: The margin is negative or not a number.

    Source: non-inferiority by the lower limit of a two-sided 95 % interval, Tango 1998, Stat. Med. 17:891; ICH E9.
    """
    if not margin >= 0:
        raise ValueError(f"margin must be at least 0, got {margin!r}")
    interval = comparison.interval
    if interval is None or not comparison.can_be_judged:
        return _undecided(comparison, margin, _find_shortage(comparison))
    if interval.high < -margin:
        if p_regression is not None and p_regression > TAIL:
            return _undecided(comparison, margin, Reason.ONE_OF_MANY)
        return Judgement(Verdict.REGRESSION)
    if interval.low > 0:
        return Judgement(Verdict.BETTER)
    if margin > 0 and interval.low >= -margin:
        return Judgement(Verdict.NO_REGRESSION, is_worse=interval.high < 0)
    return _undecided(comparison, margin, Reason.WIDE)


def judge_threshold(rate: Rate, threshold: float) -> Judgement:
    """Say whether a rate reaches a threshold, is below it, or neither for certain.

    Args:
        rate: The rate.
        threshold: 0 to 1. At 1 no interval is asked: a single failure is below it, and without one it is reached.

    Returns:
        The judgement.

    Raises:
        ValueError: The threshold is not between 0 and 1.

    Source: the limits of Wilson's interval, which is the score test inverted.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be between 0 and 1, got {threshold!r}")
    needed = items_to_reach(threshold)
    if rate.value is None:
        return Judgement(Verdict.INCONCLUSIVE, Reason.TOO_FEW, items_needed=needed)
    if threshold == 1:
        return Judgement(Verdict.REACHED if rate.value == 1 else Verdict.BELOW)
    if_true = items_for_threshold(rate.value, threshold)
    clustered = rate.method is RateMethod.WILSON_EFFECTIVE_SIZE
    if rate.interval is None or (clustered and rate.clusters < FEWEST_CLUSTERS_TO_JUDGE):
        return Judgement(Verdict.INCONCLUSIVE, Reason.TOO_FEW_CLUSTERS, items_needed=needed, items_if_true=if_true)
    if rate.interval.low >= threshold:
        return Judgement(Verdict.REACHED)
    if rate.interval.high < threshold:
        return Judgement(Verdict.BELOW)
    return Judgement(Verdict.INCONCLUSIVE, Reason.WIDE, items_needed=needed, items_if_true=if_true)


def _find_shortage(comparison: Comparison) -> Reason:
    if comparison.clusters < FEWEST_CLUSTERS_TO_JUDGE and comparison.is_clustered:
        return Reason.TOO_FEW_CLUSTERS
    return Reason.NO_SPREAD if comparison.has_enough else Reason.TOO_FEW


def _undecided(comparison: Comparison, margin: float, reason: Reason) -> Judgement:
    spread = comparison.spread
    needed = if_true = None
    if spread is not None:
        needed = items_for_no_regression(spread, margin)
        if_true = items_for_no_regression(spread, abs(comparison.difference + margin))
    return Judgement(Verdict.INCONCLUSIVE, reason, items_needed=needed, items_if_true=if_true)
