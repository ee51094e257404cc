"""Facts about the intervals around pass rates."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.stats.intervals import wilson_interval


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(min_value=1, max_value=1_000_000))
    return draw(st.integers(min_value=0, max_value=total)), total


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_bounds_equal_the_published_ones(successes: int, total: int, low: float, high: float) -> None:
    """The four examples of Newcombe 1998, table I, method 3, printed with four decimals."""
    assert wilson_interval(successes, total) == pytest.approx((low, high), abs=0.00005)


def test_a_higher_confidence_makes_a_wider_interval() -> None:
    low_90, high_90 = wilson_interval(54, 72, confidence=0.90)
    low_99, high_99 = wilson_interval(54, 72, confidence=0.99)

    assert low_99 < low_90 < 0.75 < high_90 < high_99


def test_no_trials_say_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("total", [1, 2, 7, 49, 72, 1_000_003])
def test_bounds_are_exact_at_the_extremes(total: int) -> None:
    none_passed = wilson_interval(0, total)
    all_passed = wilson_interval(total, total)

    assert none_passed[0] == 0.0
    assert 0.0 < none_passed[1] < 1.0
    assert all_passed[1] == 1.0
    assert 0.0 < all_passed[0] < 1.0


@pytest.mark.parametrize("confidence", [1e-300, math.nextafter(1.0, 0.0)])
def test_extreme_confidences_still_give_an_interval(confidence: float) -> None:
    low, high = wilson_interval(30, 40, confidence)

    assert 0.0 <= low <= 0.75 <= high <= 1.0


@pytest.mark.parametrize(("successes", "total"), [(-1, 10), (11, 10), (0, -1), (-3, -2)])
def test_impossible_counts_are_refused(successes: int, total: int) -> None:
    with pytest.raises(ValueError, match="successes must be between 0 and total"):
        wilson_interval(successes, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 95.0, math.nan, math.inf])
def test_an_impossible_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must be between 0 and 1"):
        wilson_interval(3, 10, confidence)


@given(counts(), st.floats(min_value=0.5, max_value=0.999))
def test_failures_have_the_mirrored_interval(counted: tuple[int, int], confidence: float) -> None:
    successes, total = counted
    low, high = wilson_interval(successes, total, confidence)
    mirrored_low, mirrored_high = wilson_interval(total - successes, total, confidence)

    assert (1 - mirrored_high, 1 - mirrored_low) == pytest.approx((low, high), abs=1e-12)


@given(counts(), st.floats(min_value=0.5, max_value=0.999))
def test_the_interval_holds_the_observed_rate(counted: tuple[int, int], confidence: float) -> None:
    successes, total = counted
    low, high = wilson_interval(successes, total, confidence)

    assert 0.0 <= low <= successes / total <= high <= 1.0


@pytest.mark.parametrize(("rate", "total"), [(0.5, 40), (0.3, 50), (0.85, 72)])
def test_about_95_in_100_intervals_hold_the_true_rate(rate: float, total: int) -> None:
    chance = random.Random(1927)
    rounds = 4000
    covered = 0
    for _ in range(rounds):
        low, high = wilson_interval(sum(chance.random() < rate for _ in range(total)), total)
        covered += low <= rate <= high

    assert 0.93 < covered / rounds < 0.97
