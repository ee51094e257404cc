"""Facts about the rate of one run."""

from typing import TYPE_CHECKING

import pytest

from evalhaven.stats.intervals import Interval, beta_interval, wilson_interval
from evalhaven.stats.rates import Rate, RateMethod, rate_of_counts, rate_of_sums
from evalhaven.stats.sums import sum_by_cluster, sum_items
from tests.on_use import on_use

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = on_use("scipy.stats")

PASSES = (4, 3, 4, 4, 4, 1, 4, 2, 1, 4, 4, 4)


@pytest.mark.parametrize(("passed", "total", "low", "high"), [(7, 10, 0.396778, 0.892209), (0, 20, 0.0, 0.161125)])
def test_a_rate_of_counts_has_wilsons_interval(passed: int, total: int, low: float, high: float) -> None:
    rate = rate_of_counts(passed, total)

    assert rate.value == passed / total
    assert rate.interval == pytest.approx((low, high), abs=5e-7)
    assert rate.method is RateMethod.WILSON


def test_thin_data_have_a_credible_interval_too() -> None:
    assert rate_of_counts(7, 10).credible == pytest.approx((0.394182, 0.907305), abs=5e-7)
    assert rate_of_counts(7, 10).is_thin
    assert rate_of_counts(20, 30).credible is None
    assert not rate_of_counts(20, 30).is_thin


@pytest.mark.parametrize(("passed", "total"), [(0, 1), (0, 12), (12, 12), (3, 29)])
def test_the_credible_interval_is_scipys(passed: int, total: int) -> None:
    theirs = stats.beta.interval(0.95, passed + 0.5, total - passed + 0.5)

    assert beta_interval(passed, total) == pytest.approx(theirs, rel=1e-8)


def test_no_items_have_no_rate() -> None:
    for rate in (rate_of_counts(0, 0), rate_of_sums(sum_items([]))):
        assert (rate.value, rate.interval, rate.spread) == (None, None, None)
        assert (rate.items, rate.clusters, rate.size, rate.degrees) == (0, 0, 0.0, None)
        assert rate.interval_at(0.1) == (0.0, 1.0)


def test_repeats_count_for_what_they_are_worth() -> None:
    rate = rate_of_sums(sum_items(passes / 4 for passes in PASSES), most=12 * 4)

    assert rate.value == pytest.approx(0.8125)
    assert rate.size == pytest.approx(19.8)
    assert rate.degrees == 11
    assert rate.interval == pytest.approx((0.567443, 0.934701), abs=5e-7)
    assert rate.interval_at(0.025) == rate.interval


def test_repeats_never_count_for_more_than_they_are() -> None:
    """Each item passes in one of two samples, so their means vary less than they would by chance."""
    values = [0.5] * 29 + [1.0]

    assert rate_of_sums(sum_items(values), most=60).size == 60
    assert rate_of_sums(sum_items(values)).size == 30


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_equal_items_count_once_each(value: float) -> None:
    rate = rate_of_sums(sum_items([value] * 25), most=100)

    assert rate.size == 25
    assert rate.interval is not None
    assert rate.interval.low <= value <= rate.interval.high
    assert rate.interval.high - rate.interval.low > 0.1


def test_items_of_a_cluster_count_less_if_they_resemble_each_other() -> None:
    values = [(cluster, float(cluster % 4 != 0)) for cluster in range(40) for _ in range(10)]
    rate = rate_of_sums(sum_by_cluster(values))

    assert rate.items == 400
    assert rate.size == pytest.approx(39, abs=1)


def test_fewer_than_10_clusters_have_no_interval() -> None:
    rate = rate_of_sums(sum_items([0.5, 1.0, 0.75] * 3))

    assert rate.value == pytest.approx(0.75)
    assert (rate.items, rate.clusters, rate.size, rate.degrees, rate.interval) == (9, 9, 0.0, None, None)
    assert rate_of_sums(sum_items([0.5, 1.0] * 5)).interval is not None


def test_the_spread_of_counts_is_that_of_a_coin() -> None:
    spread = rate_of_counts(700, 1_000).spread

    assert spread == pytest.approx(0.21, rel=0.01)
    assert (rate_of_counts(50, 50).spread or 0) > 0


def test_rounding_moves_no_rate_beyond_0_and_1() -> None:
    assert rate_of_sums(sum_items([1 + 1e-12] * 20)).value == 1.0
    assert rate_of_sums(sum_items([-1e-12] * 20)).value == 0.0


def test_values_beyond_0_and_1_are_refused() -> None:
    with pytest.raises(ValueError, match="values must be between 0 and 1"):
        rate_of_sums(sum_items([2.0] * 20))
    with pytest.raises(ValueError, match="most must be at least 1"):
        rate_of_sums(sum_items([0.5] * 20), most=0)
    with pytest.raises(ValueError, match="successes must be between 0 and total"):
        rate_of_counts(3, 2)
    with pytest.raises(ValueError, match="successes must be between 0 and total"):
        beta_interval(-1, 2)


def test_another_confidence_moves_the_limits() -> None:
    rate: Rate = rate_of_counts(40, 50)

    assert rate.interval_at(0.05) == pytest.approx(wilson_interval(40, 50, 0.9))
    assert isinstance(rate.interval_at(0.05), Interval)
