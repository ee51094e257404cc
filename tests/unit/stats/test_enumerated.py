"""What the methods promise for plain outcomes, computed from every possible result and its probability."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalhaven.stats.comparisons import compare_pairs
from evalhaven.stats.intervals import wilson_interval
from evalhaven.stats.paired import PairCounts, tango_statistic
from evalhaven.stats.rates import rate_of_counts
from evalhaven.stats.verdicts import Verdict, judge_difference, judge_threshold
from tests.on_use import on_use

if TYPE_CHECKING:
    from scipy import special, stats
else:
    stats = on_use("scipy.stats")
    special = on_use("scipy.special")

Z = 1.959963984540054
SPREADS = tuple(step / 100 for step in range(1, 41))
MARGINS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1)


def most_changes(pairs: int) -> int:
    """Return how many items change at most: if four tenths of many are expected to, six tenths never do."""
    return pairs if pairs <= 100 else pairs * 6 // 10


@functools.lru_cache(maxsize=4)
def statistics_of(pairs: int, difference: float) -> Any:
    """Return Tango's statistic by fixes and regressions."""
    most = most_changes(pairs)
    table = np.full((most + 1, most + 1), np.nan)
    for fixed in range(most + 1):
        for regressed in range(most + 1 - fixed):
            table[fixed, regressed] = tango_statistic(fixed, regressed, pairs, difference)
    return table


@functools.lru_cache(maxsize=4)
def ways_of(pairs: int) -> tuple[Any, Any, Any, Any]:
    """Return fixes, regressions, unchanged items and the logarithm of how many ways there are to each result."""
    fixed, regressed = np.arange(most_changes(pairs) + 1)[:, None], np.arange(most_changes(pairs) + 1)[None, :]
    same = pairs - fixed - regressed
    ways = (
        special.gammaln(pairs + 1)
        - special.gammaln(fixed + 1)
        - special.gammaln(regressed + 1)
        - special.gammaln(np.maximum(same, 0) + 1)
    )
    return fixed, regressed, same, np.where(same >= 0, ways, -np.inf)


def probabilities(pairs: int, spread: float, difference: float) -> Any:
    """Return how likely each number of fixes and regressions is."""
    fixed, regressed, same, ways = ways_of(pairs)
    fix, regress = (spread + difference) / 2, (spread - difference) / 2
    return np.exp(
        ways + special.xlogy(fixed, fix) + special.xlogy(regressed, regress) + special.xlogy(same, 1 - spread)
    )


def cover(pairs: int, spread: float, difference: float) -> float:
    """Return how many of 100 intervals hold the true difference."""
    covering = np.abs(statistics_of(pairs, difference)) <= Z
    return 100 * float(probabilities(pairs, spread, difference)[covering].sum())


@pytest.mark.parametrize(
    ("pairs", "covered"), [(20, (99.82, 98.64, 95.56)), (100, (95.32, 95.68, 94.78)), (500, (94.69, 95.07, 94.98))]
)
def test_tangos_interval_covers_no_difference(pairs: int, covered: Sequence[float]) -> None:
    assert [round(cover(pairs, spread, 0.0), 2) for spread in (0.05, 0.1, 0.2)] == list(covered)


@pytest.mark.parametrize("pairs", [20, 100, 500])
def test_tangos_interval_covers_every_difference(pairs: int) -> None:
    least = min(cover(pairs, spread, -loss / 100) for loss in range(11) for spread in SPREADS if spread >= loss / 100)

    assert round(least, 1) >= 93.3


@pytest.mark.parametrize(("pairs", "most"), [(20, 3.1), (50, 2.7), (100, 2.7), (200, 2.7), (500, 2.7)])
def test_the_gate_seldom_passes_a_regression_of_the_margin(pairs: int, most: float) -> None:
    worst = 0.0
    for margin in MARGINS:
        passing = statistics_of(pairs, -margin) >= Z
        for spread in SPREADS:
            if spread >= margin:
                worst = max(worst, 100 * float(probabilities(pairs, spread, -margin)[passing].sum()))

    assert worst <= most


def test_500_items_pass_a_regression_of_the_margin_as_seldom_as_they_should() -> None:
    passing = statistics_of(500, -0.02) >= Z

    assert round(100 * float(probabilities(500, 0.1, -0.02)[passing].sum()), 3) == 2.445


@pytest.mark.parametrize("margin", [0.02, 0.1, 0.3])
def test_the_gate_passes_what_the_statistic_passes(margin: float) -> None:
    """The tables above are made of statistics; here every result of 30 items is judged by its interval."""
    for fixed in range(31):
        for regressed in range(31 - fixed):
            counts = PairCounts(0, fixed, regressed, 30 - fixed - regressed)
            verdict = judge_difference(compare_pairs(counts), margin).verdict

            assert verdict.passes == (tango_statistic(fixed, regressed, 30, -margin) >= Z)
            assert verdict.blocks == (tango_statistic(fixed, regressed, 30, -margin) < -Z)


def judge_all(items: int, threshold: float) -> tuple[float, float]:
    """Return in how many of 100 runs a rate that is on its threshold passes, and in how many it fails."""
    likely = stats.binom.pmf(range(items + 1), items, threshold)
    limits = [wilson_interval(passed, items) for passed in range(items + 1)]
    passes = sum(likely[passed] for passed in range(items + 1) if limits[passed].low >= threshold)
    fails = sum(likely[passed] for passed in range(items + 1) if limits[passed].high < threshold)
    return 100 * float(passes), 100 * float(fails)


@pytest.mark.parametrize(("items", "most"), [(20, 3.9), (200, 2.8), (500, 2.8), (1_000, 2.8)])
def test_a_rate_on_its_threshold_seldom_passes(items: int, most: float) -> None:
    thresholds = [step / 100 for step in range(50, 100, 5)] + [0.96, 0.97, 0.98, 0.99, 0.995, 0.999, 0.9995]

    assert max(judge_all(items, threshold)[0] for threshold in thresholds) <= most
    assert max(judge_all(items, threshold)[1] for threshold in thresholds) <= 9.6


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95, 0.99])
def test_the_gate_judges_a_threshold_by_these_limits(threshold: float) -> None:
    for passed in range(201):
        limits = wilson_interval(passed, 200)
        verdict = judge_threshold(rate_of_counts(passed, 200), threshold).verdict

        assert (verdict is Verdict.REACHED) == (limits.low >= threshold)
        assert (verdict is Verdict.BELOW) == (limits.high < threshold)
