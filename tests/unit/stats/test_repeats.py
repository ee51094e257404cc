"""Facts about items sampled more than once."""

import math
import random
from dataclasses import astuple
from itertools import combinations

import numpy as np
import pytest

from evalhaven.stats.rates import rate_of_sums
from evalhaven.stats.repeats import (
    pass_at_k,
    pass_hat_k,
    rate_of_repeats,
    share_of_passes,
    sum_paired_repeats,
    sum_repeats,
    summarize_repeats,
    within_items,
)
from evalhaven.stats.sums import sum_items


def test_pass_hat_5_of_9_in_10_is_a_half() -> None:
    assert pass_hat_k(10, 9, 5) == 0.5
    assert round(0.9**5, 3) == 0.590  # what the biased estimate would say


@pytest.mark.parametrize(("samples", "passes"), [(5, 0), (5, 2), (5, 5), (8, 3), (1, 1)])
def test_estimates_are_the_shares_of_all_choices_of_k(samples: int, passes: int) -> None:
    outcomes = [index < passes for index in range(samples)]
    for k in range(1, samples + 1):
        chosen = list(combinations(outcomes, k))

        assert pass_hat_k(samples, passes, k) == pytest.approx(sum(map(all, chosen)) / len(chosen))
        assert pass_at_k(samples, passes, k) == pytest.approx(sum(map(any, chosen)) / len(chosen))


def test_many_samples_do_not_overflow() -> None:
    assert pass_hat_k(5_000, 4_500, 3) == pytest.approx(0.9**3, rel=1e-3)
    assert math.isclose(pass_at_k(5_000, 1, 2_500), 0.5)


@pytest.mark.parametrize(("samples", "passes", "k"), [(3, 1, 4), (3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_impossible_counts_are_refused(samples: int, passes: int, k: int) -> None:
    with pytest.raises(ValueError, match="at least k samples"):
        pass_hat_k(samples, passes, k)
    with pytest.raises(ValueError, match="at least k samples"):
        pass_at_k(samples, passes, k)


def test_items_with_too_few_repeats_are_left_out_and_counted() -> None:
    counts = {(4, 4): 30, (4, 2): 6, (4, 0): 4, (1, 1): 3, (2, 1): 2}
    summary = summarize_repeats(counts, 3)

    assert (summary.items, summary.left_out, summary.unstable) == (40, 5, 8)
    assert summary.all_of_them.value == pytest.approx(30 / 40)
    assert summary.at_least_one.value == pytest.approx(36 / 40)
    assert summary.all_of_them.interval is not None


def test_pass_hat_k_is_worth_at_most_as_many_values_as_k_fits_in() -> None:
    counts = {(5, 5): 20, (5, 4): 20}
    summary = summarize_repeats(counts, 2)

    assert summary.all_of_them.size == min(
        40 * 2, rate_of_sums(sum_repeats(counts, lambda n, c: pass_hat_k(n, c, 2)), most=10**9).size
    )
    all_five = summarize_repeats(counts, 5)
    assert (all_five.items, all_five.left_out, all_five.all_of_them.value) == (40, 0, 0.5)
    assert all_five.all_of_them.size <= 40


def test_no_item_with_k_repeats_says_nothing() -> None:
    summary = summarize_repeats({(2, 1): 30}, 3)

    assert (summary.items, summary.left_out) == (0, 30)
    assert summary.at_least_one.value is None
    with pytest.raises(ValueError, match="k must be at least 1"):
        summarize_repeats({(2, 1): 30}, 0)


def test_folded_counts_say_what_the_items_say() -> None:
    counts = {(4, 4): 7, (4, 3): 3, (4, 2): 1, (4, 1): 1, (4, 0): 2}
    values = [c / n for (n, c), number in counts.items() for _ in range(number)]

    assert rate_of_repeats(counts) == rate_of_sums(sum_items(values), most=14 * 4)
    assert rate_of_repeats({}).value is None


def test_paired_repeats_say_what_their_differences_say() -> None:
    counts = {((4, 4), (4, 2)): 9, ((3, 1), (4, 2)): 5, ((4, 4), (4, 4)): 20}
    values = [share_of_passes(*one) - share_of_passes(*other) for (one, other), n in counts.items() for _ in range(n)]
    ours, theirs = sum_paired_repeats(counts, share_of_passes), sum_items(values)

    assert astuple(ours) == pytest.approx(astuple(theirs))


def test_the_variance_within_items_is_unbiased() -> None:
    chance = random.Random(5)
    rates = [0.1, 0.5, 0.9, 0.8]
    counts: dict[tuple[int, int], int] = {}
    for index in range(40_000):
        passes = sum(chance.random() < rates[index % 4] for _ in range(3))
        counts[3, passes] = counts.get((3, passes), 0) + 1

    assert within_items(counts) == pytest.approx(np.mean([rate * (1 - rate) for rate in rates]), rel=0.02)
    assert within_items({(1, 1): 4}) is None
    assert within_items({(1, 1): 4, (2, 1): 3, (2, 2): 1}) == pytest.approx(3 / 8)
