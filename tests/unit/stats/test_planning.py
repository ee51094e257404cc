"""Facts about the sizes that questions need."""

import math
from typing import TYPE_CHECKING

import pytest

from evalhaven.stats.intervals import wilson_interval
from evalhaven.stats.paired import tango_statistic
from evalhaven.stats.planning import (
    items_for_no_regression,
    items_for_threshold,
    items_to_reach,
    items_to_see,
    power_of_each,
    spread_of_pairs,
    spread_with_repeats,
    visible_difference,
    visible_mean_difference,
)
from tests.on_use import on_use

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = on_use("scipy.stats")

Z = 1.959963984540054


@pytest.mark.parametrize(("spread", "items", "points"), [(0.05, 434, 2.8), (0.1, 870, 4.0), (0.2, 1_742, 5.6)])
def test_what_can_be_seen_is_what_connor_says(spread: float, items: int, points: float) -> None:
    assert items_to_see(0.03, spread) == items
    visible = visible_difference(500, spread)

    assert visible is not None
    assert round(100 * visible, 1) == points


def test_few_items_see_nothing() -> None:
    assert visible_difference(100, 0.05) is None
    assert visible_difference(0, 0.2) is None
    assert items_to_see(0.06, 0.05) is None


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.37])
@pytest.mark.parametrize("difference", [0.004, 0.013, 0.02])
def test_seeing_and_planning_are_inverse(spread: float, difference: float) -> None:
    items = items_to_see(difference, spread)

    assert items is not None
    visible = visible_difference(items, spread)
    assert visible is not None
    assert visible <= difference < (visible_difference(items - 1, spread) or math.inf)


@pytest.mark.parametrize("items", [4, 5, 20, 1_000, 1_000_000])
@pytest.mark.parametrize("spread", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.99])
def test_the_visible_difference_is_the_smallest_that_satisfies_connor(items: int, spread: float, power: float) -> None:
    def is_shown(difference: float) -> bool:
        roots = Z * math.sqrt(spread) + stats.norm.ppf(power) * math.sqrt(max(0.0, spread - difference**2))
        return bool(roots**2 / difference**2 <= items)

    visible = visible_difference(items, spread, power)

    if visible is None:
        assert not is_shown(spread * (1 - 1e-9))
    else:
        assert 0 < visible <= spread
        assert is_shown(visible * (1 + 1e-9))
        assert not is_shown(visible * (1 - 1e-9))


def test_three_items_show_nothing_whatever_changes() -> None:
    assert visible_difference(3, 1.0) is None


def test_without_history_a_tenth_of_the_items_changes() -> None:
    assert spread_of_pairs(0, 0, 0) == 0.1
    assert visible_difference(500) == visible_difference(500, 0.1)


def test_items_for_no_regression_are_those_of_the_formula() -> None:
    assert items_for_no_regression(0.1, 0.02) == 1_963
    assert items_for_no_regression(spread_of_pairs(10, 25, 500), 0.02) == 1_408
    assert items_for_no_regression(0.1, 0.0) is None
    assert items_for_no_regression(0.0, 0.02) == 0


def test_these_items_show_no_regression_in_80_of_100_unchanged_releases() -> None:
    """The exact power: every number of fixes and regressions, with its probability."""
    items, spread, margin = 1_963, 0.1, 0.02
    power = 0.0
    for changed in range(items + 1):
        likely = stats.binom.pmf(changed, items, spread)
        if likely < 1e-12:
            continue
        # More regressions are worse, so those that pass are the first ones.
        low, high = -1, changed
        while low < high:
            middle = (low + high + 1) // 2
            if tango_statistic(changed - middle, middle, items, -margin) >= Z:
                low = middle
            else:
                high = middle - 1
        power += likely * stats.binom.cdf(low, changed, 0.5)

    assert power == pytest.approx(0.7945, abs=5e-5)


@pytest.mark.parametrize(("threshold", "items"), [(0.95, 73), (0.99, 381), (0.5, 4), (0.0, 1)])
def test_fewer_items_than_these_cannot_reach_a_threshold(threshold: float, items: int) -> None:
    assert items_to_reach(threshold) == items
    assert wilson_interval(items, items).low >= threshold
    if items > 1:
        assert wilson_interval(items - 1, items - 1).low < threshold


def test_no_number_of_items_shows_a_rate_of_1() -> None:
    assert items_to_reach(1.0) is None


@pytest.mark.parametrize(("rate", "threshold"), [(0.97, 0.95), (0.93, 0.95), (0.5, 0.6), (1.0, 0.9)])
def test_items_for_a_threshold_show_it_in_80_of_100_runs(rate: float, threshold: float) -> None:
    items = items_for_threshold(rate, threshold)
    assert items is not None
    passed = range(items + 1)
    intervals = [wilson_interval(each, items) for each in passed]
    shown = [each for each in passed if intervals[each].low >= threshold or intervals[each].high < threshold]
    power = sum(stats.binom.pmf(each, items, rate) for each in shown)

    assert power > 0.77
    assert rate == 1.0 or power < 0.83


def test_a_rate_on_its_threshold_is_never_shown() -> None:
    assert items_for_threshold(0.9, 0.9) is None


def test_repeats_take_the_spread_within_items_away() -> None:
    """Items that pass by chance at .8: 2 * .8 * .2 of them change, and a quarter of that with four samples each."""
    assert spread_with_repeats(0.0, 0.16, 1) == pytest.approx(0.32)
    assert spread_with_repeats(0.0, 0.16, 4) == pytest.approx(0.08)
    assert spread_with_repeats(0.05, 0.16, 4) == pytest.approx(0.13)


def test_several_criteria_pass_together_with_the_power_of_one() -> None:
    assert round(0.8**5, 2) == 0.33
    assert power_of_each(5) ** 5 == pytest.approx(0.8)
    assert power_of_each(1) == 0.8


def test_more_power_needs_more_items() -> None:
    power = power_of_each(5)

    assert items_for_no_regression(0.1, 0.02, power) == math.ceil((Z + stats.norm.ppf(power)) ** 2 * 0.1 / 0.02**2)
    assert items_for_no_regression(0.1, 0.02, 0.5) == math.ceil(Z**2 * 0.1 / 0.02**2)


def test_the_visible_difference_of_scores_is_that_of_the_t_test() -> None:
    visible = visible_mean_difference(1_000, 4.0)

    assert visible == pytest.approx((Z + 0.8416212) * 2 / math.sqrt(1_000), rel=1e-6)
    assert visible_mean_difference(0, 4.0) is None


def test_numbers_out_of_range_are_refused() -> None:
    for refused in (
        lambda: items_for_no_regression(-0.1, 0.02),
        lambda: items_for_no_regression(0.1, -0.02),
        lambda: items_for_no_regression(0.1, math.nan),
        lambda: items_for_no_regression(0.1, 0.02, power=1.0),
        lambda: items_for_no_regression(0.1, 0.02, power=0.4),
        lambda: items_to_see(0.0, 0.1),
        lambda: items_to_see(0.1, 0.0),
        lambda: visible_difference(10, 0.0),
        lambda: visible_mean_difference(10, 0.0),
        lambda: items_for_threshold(1.1, 0.5),
        lambda: items_for_threshold(0.5, -0.1),
        lambda: items_to_reach(1.1),
        lambda: power_of_each(0),
        lambda: spread_with_repeats(-0.1, 0.1, 1),
        lambda: spread_with_repeats(0.1, 0.1, 0),
    ):
        with pytest.raises(ValueError, match="must"):
            refused()
