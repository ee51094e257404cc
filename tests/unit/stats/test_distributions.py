"""Our distributions equal SciPy's."""

import math
from typing import TYPE_CHECKING

import pytest

from evalhaven.stats.distributions import (
    below,
    beta_cdf,
    beta_quantile,
    critical_value,
    fair_coin_tail,
    normal_cdf,
    student_tail,
)
from tests.on_use import on_use

if TYPE_CHECKING:
    from scipy import stats
else:
    stats = on_use("scipy.stats")

DEGREES = [0.7, 1, 2, 2.3, 5, 9, 19, 30.5, 100, 1_318, 99_999, 1_000_000]


@pytest.mark.parametrize("x", [-30.0, -8.3, -1.96, -1e-9, 0.0, 0.3, 4.0, 9.0])
def test_the_normal_distribution_is_scipys(x: float) -> None:
    assert normal_cdf(x) == pytest.approx(stats.norm.cdf(x), rel=1e-13)
    assert below(x, None) == normal_cdf(x)


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("t", [-40.0, -2.3, -0.01, 0.0, 1e-6, 0.4, 1.96, 7.0, 60.0])
def test_students_tail_is_scipys(t: float, degrees: float) -> None:
    assert student_tail(t, degrees) == pytest.approx(stats.t.sf(t, degrees), rel=1e-10)
    assert below(t, degrees) == pytest.approx(stats.t.cdf(t, degrees), rel=1e-10)


def test_nothing_is_beyond_infinity() -> None:
    assert student_tail(math.inf, 5) == 0.0
    assert student_tail(-math.inf, 5) == 1.0


@pytest.mark.parametrize("degrees", DEGREES)
@pytest.mark.parametrize("tail", [1e-12, 0.0005, 0.005, 0.025, 0.1, 0.4, 0.499999])
def test_critical_values_are_scipys(tail: float, degrees: float) -> None:
    assert critical_value(tail, degrees) == pytest.approx(stats.t.isf(tail, degrees), rel=1e-9)
    assert critical_value(tail) == pytest.approx(stats.norm.isf(tail), rel=1e-12)


def test_the_median_is_0() -> None:
    assert critical_value(0.5) == critical_value(0.5, 3) == 0.0


@pytest.mark.parametrize(("tail", "degrees"), [(0.0, 3), (0.51, 3), (-1, None), (math.nan, None), (0.1, 0), (0.1, -1)])
def test_impossible_tails_and_degrees_are_refused(tail: float, degrees: float | None) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        critical_value(tail, degrees)


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (7.5, 3.5), (0.5, 30), (1, 1), (250, 700), (5e5, 4e5), (20, 0.5)])
@pytest.mark.parametrize("share", [1e-9, 0.025, 0.3, 0.5, 0.9, 0.975])
def test_the_beta_distribution_is_scipys(share: float, a: float, b: float) -> None:
    quantile = float(stats.beta.ppf(share, a, b))

    assert beta_cdf(quantile, a, b) == pytest.approx(stats.beta.cdf(quantile, a, b), rel=1e-8)
    assert beta_quantile(share, a, b) == pytest.approx(quantile, rel=1e-8, abs=1e-14)


def test_the_beta_distribution_ends_at_0_and_1() -> None:
    assert beta_cdf(0.0, 2, 3) == 0.0
    assert beta_cdf(1.0, 2, 3) == 1.0


@pytest.mark.parametrize(
    ("heads", "tosses"), [(0, 1), (0, 35), (10, 35), (16, 33), (76, 436), (3, 6), (49_000, 100_000), (0, 1_000)]
)
def test_a_fair_coins_tail_is_scipys(heads: int, tosses: int) -> None:
    tail, exactly = fair_coin_tail(heads, tosses)

    assert tail == pytest.approx(stats.binom.cdf(heads, tosses, 0.5), rel=1e-11)
    assert exactly == pytest.approx(stats.binom.pmf(heads, tosses, 0.5), rel=1e-11)
