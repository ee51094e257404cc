"""Facts about what an interval says about a margin or a threshold."""

import math

import pytest

from evalhaven.stats.comparisons import (
    Comparison,
    compare_pairs,
    compare_scores,
    compare_sums,
    compare_unpaired_rates,
    compare_unpaired_scores,
)
from evalhaven.stats.paired import PairCounts
from evalhaven.stats.rates import rate_of_counts, rate_of_sums
from evalhaven.stats.sums import sum_by_cluster, sum_items
from evalhaven.stats.verdicts import Judgement, Reason, Verdict, judge_difference, judge_threshold


def compare(fixed: int, regressed: int, pairs: int) -> Comparison:
    return compare_pairs(PairCounts(0, fixed, regressed, pairs - fixed - regressed))


@pytest.mark.parametrize(
    ("fixed", "regressed", "pairs", "margin", "verdict"),
    [
        (25, 10, 500, 0.02, Verdict.BETTER),
        (10, 25, 500, 0.005, Verdict.REGRESSION),
        (10, 25, 500, 0.06, Verdict.NO_REGRESSION),
        (10, 25, 500, 0.02, Verdict.INCONCLUSIVE),
        (0, 0, 1_319, 0.01, Verdict.NO_REGRESSION),
        (0, 0, 100, 0.02, Verdict.INCONCLUSIVE),
    ],
)
def test_the_interval_decides(fixed: int, regressed: int, pairs: int, margin: float, verdict: Verdict) -> None:
    judgement = judge_difference(compare(fixed, regressed, pairs), margin)

    assert judgement.verdict is verdict
    assert judgement.reason is (Reason.WIDE if verdict is Verdict.INCONCLUSIVE else None)


def test_what_is_certainly_worse_within_the_margin_says_so() -> None:
    assert judge_difference(compare(10, 25, 500), 0.06) == Judgement(Verdict.NO_REGRESSION, is_worse=True)
    assert judge_difference(compare(10, 10, 500), 0.06) == Judgement(Verdict.NO_REGRESSION)


def test_an_inconclusive_verdict_says_what_would_settle_it() -> None:
    judgement = judge_difference(compare(10, 25, 500), 0.02)

    assert judgement.items_needed == 1_408
    assert judgement.items_if_true == math.ceil(7.84888 * 36 / 502 / 0.01**2)


def test_nothing_settles_an_estimate_on_the_margin() -> None:
    judgement = judge_difference(compare(10, 20, 500), 0.02)

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.items_needed == math.ceil(7.84888 * 31 / 502 / 0.02**2)
    assert judgement.items_if_true is None


def test_a_margin_of_0_lets_only_an_improvement_pass() -> None:
    unchanged = judge_difference(compare(0, 0, 1_000_000), 0.0)

    assert (unchanged.verdict, unchanged.items_needed) == (Verdict.INCONCLUSIVE, None)
    assert judge_difference(compare(25, 10, 500), 0.0).verdict is Verdict.BETTER
    assert judge_difference(compare(10, 25, 500), 0.0).verdict is Verdict.REGRESSION


@pytest.mark.parametrize("margin", [-0.01, math.nan])
def test_an_impossible_margin_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="margin must be at least 0"):
        judge_difference(compare(1, 1, 20), margin)


def test_fewer_than_10_items_have_no_verdict() -> None:
    few = judge_difference(compare(9, 0, 9), 0.5)

    assert (few.verdict, few.reason) == (Verdict.INCONCLUSIVE, Reason.TOO_FEW)
    assert judge_difference(compare(10, 0, 10), 0.5).verdict is Verdict.BETTER
    thin = compare_unpaired_rates(rate_of_counts(9, 9), rate_of_counts(0, 300))
    assert judge_difference(thin, 0.5).reason is Reason.TOO_FEW


def test_fewer_than_20_clusters_have_no_verdict() -> None:
    def judge(clusters: int) -> Judgement:
        return judge_difference(compare_sums(sum_by_cluster((index % clusters, 0.5) for index in range(400))), 0.1)

    assert judge(20).verdict is Verdict.BETTER
    assert judge(19).reason is Reason.TOO_FEW_CLUSTERS
    assert judge(9).reason is Reason.TOO_FEW_CLUSTERS


def test_clusters_decide_for_items_that_are_not_paired_too() -> None:
    def judge(clusters: int) -> Judgement:
        rates = [rate_of_sums(sum_by_cluster((i % clusters, value) for i in range(400))) for value in (1.0, 0.0)]
        return judge_difference(compare_unpaired_rates(*rates), 0.1)

    assert judge(20).verdict is Verdict.BETTER
    assert judge(19).reason is Reason.TOO_FEW_CLUSTERS


def test_clusters_of_one_run_are_enough_to_ask_for_more() -> None:
    clustered = sum_by_cluster((index % 19, 70.0 + index % 3) for index in range(400))
    single = sum_items([60.0 + index % 3 for index in range(400)])

    for comparison in (compare_unpaired_scores(clustered, single), compare_unpaired_scores(single, clustered)):
        assert judge_difference(comparison, 0.1).reason is Reason.TOO_FEW_CLUSTERS


def test_clusters_of_scores_decide_too() -> None:
    def judge(clusters: int) -> Judgement:
        return judge_difference(
            compare_scores(sum_by_cluster((index % clusters, 70.0 + index % 3) for index in range(400))), 0.1
        )

    assert judge(20).verdict is Verdict.BETTER
    assert judge(19).reason is Reason.TOO_FEW_CLUSTERS
    assert judge_difference(compare_scores(sum_items([1.0 + index for index in range(10)])), 0.1).verdict.passes


def test_scores_without_spread_have_no_verdict() -> None:
    judgement = judge_difference(compare_scores(sum_items([1.0] * 50)), 0.1)

    assert (judgement.verdict, judgement.reason) == (Verdict.INCONCLUSIVE, Reason.NO_SPREAD)
    assert judgement.items_needed is None


def test_a_regression_that_is_not_certain_among_others_is_inconclusive() -> None:
    comparison = compare(10, 25, 500)
    assert judge_difference(comparison, 0.005).verdict is Verdict.REGRESSION

    assert judge_difference(comparison, 0.005, 0.025).verdict is Verdict.REGRESSION
    assert judge_difference(comparison, 0.005, 0.03).reason is Reason.ONE_OF_MANY


@pytest.mark.parametrize(
    ("passed", "total", "threshold", "verdict"),
    [
        (990, 1_000, 0.95, Verdict.REACHED),
        (900, 1_000, 0.95, Verdict.BELOW),
        (950, 1_000, 0.95, Verdict.INCONCLUSIVE),
        (73, 73, 0.95, Verdict.REACHED),
        (72, 72, 0.95, Verdict.INCONCLUSIVE),
        (381, 381, 0.99, Verdict.REACHED),
        (380, 380, 0.99, Verdict.INCONCLUSIVE),
        (0, 40, 0.0, Verdict.REACHED),
    ],
)
def test_the_limits_decide_about_a_threshold(passed: int, total: int, threshold: float, verdict: Verdict) -> None:
    assert judge_threshold(rate_of_counts(passed, total), threshold).verdict is verdict


def test_an_inconclusive_threshold_says_what_would_settle_it() -> None:
    judgement = judge_threshold(rate_of_counts(72, 72), 0.95)

    assert (judgement.reason, judgement.items_needed, judgement.items_if_true) == (Reason.WIDE, 73, 73)
    assert judge_threshold(rate_of_counts(95, 100), 0.95).items_if_true is None


@pytest.mark.parametrize(("passed", "verdict"), [(5, Verdict.REACHED), (4, Verdict.BELOW)])
def test_all_of_them_means_no_failure(passed: int, verdict: Verdict) -> None:
    assert judge_threshold(rate_of_counts(passed, 5), 1.0).verdict is verdict


def test_a_threshold_needs_items_and_clusters() -> None:
    assert judge_threshold(rate_of_counts(0, 0), 0.5).reason is Reason.TOO_FEW
    assert judge_threshold(rate_of_counts(0, 0), 1.0).reason is Reason.TOO_FEW
    for clusters, reason in ((9, Reason.TOO_FEW_CLUSTERS), (19, Reason.TOO_FEW_CLUSTERS), (20, None)):
        rate = rate_of_sums(sum_items([1.0] * clusters), most=5 * clusters)
        assert judge_threshold(rate, 0.5).reason is reason


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_an_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be between 0 and 1"):
        judge_threshold(rate_of_counts(5, 10), threshold)
