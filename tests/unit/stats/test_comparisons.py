"""Facts about the difference between a candidate and a baseline."""

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalhaven.stats.comparisons import (
    Method,
    UnpairedEvidence,
    compare_pairs,
    compare_scores,
    compare_sums,
    compare_unpaired_rates,
    compare_unpaired_scores,
)
from evalhaven.stats.paired import PairCounts, Unknown, mcnemar, newcombe_paired_interval, tango_interval
from evalhaven.stats.rates import rate_of_counts, rate_of_sums
from evalhaven.stats.sums import ItemSums, sum_by_cluster, sum_items
from tests.on_use import on_use

if TYPE_CHECKING:
    import statsmodels.api as sm
    from scipy import stats
else:
    sm = on_use("statsmodels.api")
    stats = on_use("scipy.stats")

BASELINE = (4, 4, 4, 3, 2, 0, 4, 4, 1, 4, 3, 4)
CANDIDATE = (4, 3, 4, 4, 4, 1, 4, 2, 1, 4, 4, 4)


def draw_scores(number: int, seed: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(70, 12) for _ in range(number)]


def test_pairs_are_compared_by_tango_newcombe_and_mcnemar() -> None:
    counts = PairCounts(400, 25, 10, 65)
    comparison = compare_pairs(counts)

    assert comparison.method is Method.TANGO
    assert comparison.is_paired
    assert (comparison.items, comparison.clusters, comparison.size) == (500, 500, 500)
    assert comparison.difference == pytest.approx(0.03)
    assert comparison.interval == tango_interval(25, 10, 500)
    assert comparison.newcombe == newcombe_paired_interval(counts)
    assert comparison.exact == mcnemar(25, 10)
    assert comparison.p == mcnemar(25, 10).mid_p
    assert comparison.spread == pytest.approx(36 / 502)
    assert comparison.visible == pytest.approx(0.0335, abs=5e-5)


def test_the_interval_decides_where_p_says_otherwise() -> None:
    comparison = compare_pairs(PairCounts(10, 4, 0, 6))

    assert comparison.interval == pytest.approx((0.006650, 0.416017), abs=5e-7)
    assert comparison.p == pytest.approx(0.0625)


def test_the_p_value_at_the_margin_is_that_of_tangos_statistic() -> None:
    assert compare_pairs(PairCounts(0, 10, 25, 465)).p_regression(0.01) == pytest.approx(0.042157, abs=5e-7)


def test_unknown_outcomes_move_the_interval() -> None:
    filled = PairCounts(200, 10, 10, 280).filled(Unknown(candidate_on_passed=12, candidate_on_failed=3))

    assert compare_pairs(filled).interval == pytest.approx((-0.046747, -0.001880), abs=5e-7)


def test_no_pairs_say_nothing() -> None:
    comparison = compare_pairs(PairCounts(0, 0, 0, 0))

    assert (comparison.difference, comparison.interval, comparison.p) == (0.0, (-1.0, 1.0), 1.0)
    assert comparison.visible is None
    assert not comparison.can_be_judged
    assert compare_sums(ItemSums()).interval is None
    assert compare_scores(ItemSums()).interval is None


def test_repeats_are_compared_at_their_effective_size() -> None:
    comparison = compare_sums(sum_items((c - b) / 4 for c, b in zip(CANDIDATE, BASELINE, strict=True)))

    assert comparison.method is Method.TANGO_EFFECTIVE_SIZE
    assert comparison.difference == pytest.approx(0.041667, abs=5e-7)
    assert comparison.size == pytest.approx(29.8571, abs=5e-5)
    assert comparison.interval == pytest.approx((-0.154518, 0.241117), abs=5e-7)
    assert comparison.can_be_judged is False  # 12 of 20 clusters


def test_the_p_value_of_repeats_and_their_interval_agree() -> None:
    """A candidate whose limit is just 0 has p = .05."""
    for gain in np.linspace(0.05, 0.4, 15):
        sums = sum_items([gain * (index % 3) - 0.1 for index in range(40)])
        comparison = compare_sums(sums)
        assert comparison.interval is not None
        assert comparison.p is not None
        assert (comparison.interval.low > 0 or comparison.interval.high < 0) == (comparison.p < 0.05)


def test_single_outcomes_by_their_sums_are_nearly_tangos() -> None:
    values = [1.0] * 25 + [-1.0] * 10 + [0.0] * 465
    by_sums, by_counts = compare_sums(sum_items(values)), compare_pairs(PairCounts(400, 25, 10, 65))

    assert by_sums.interval == pytest.approx(by_counts.interval, abs=2e-4)
    assert by_sums.size == pytest.approx(499)


def test_items_without_any_change_count_once_for_each_cluster() -> None:
    comparison = compare_sums(sum_by_cluster((index // 5, 0.0) for index in range(100)))

    assert comparison.size == 20
    assert comparison.interval is not None
    assert comparison.interval.high == -comparison.interval.low > 0.15
    assert comparison.can_be_judged
    assert comparison.spread == pytest.approx(1 / 102)


@pytest.mark.parametrize(
    ("clusters", "has_interval", "has_verdict"),
    [(9, False, False), (10, True, False), (19, True, False), (20, True, True)],
)
def test_few_clusters_have_no_interval_or_no_verdict(clusters: int, has_interval: bool, has_verdict: bool) -> None:
    comparison = compare_sums(sum_by_cluster((index % clusters, float(index % 7 == 0)) for index in range(400)))

    assert (comparison.interval is not None) is has_interval
    assert (comparison.p is not None) is has_interval
    assert comparison.can_be_judged is has_verdict


@pytest.mark.parametrize("pairs", [9, 10])
def test_ten_pairs_have_a_verdict(pairs: int) -> None:
    assert compare_pairs(PairCounts(pairs - 2, 1, 1, 0)).can_be_judged is (pairs == 10)


def test_differences_beyond_1_are_refused() -> None:
    with pytest.raises(ValueError, match=r"differences must be between -1 and 1, but the mean of their sizes is 3\.0"):
        compare_sums(sum_items([3.0] * 30))


def test_scores_without_a_range_are_compared_by_the_paired_t_test() -> None:
    candidate, baseline = draw_scores(60, 1), draw_scores(60, 2)
    theirs: Any = stats.ttest_rel(candidate, baseline)
    limits = theirs.confidence_interval()
    comparison = compare_scores(sum_items(c - b for c, b in zip(candidate, baseline, strict=True)))

    assert comparison.method is Method.PAIRED_T
    assert comparison.interval == pytest.approx((limits.low, limits.high))
    assert comparison.p == pytest.approx(theirs.pvalue)
    one_sided: Any = stats.ttest_1samp(np.subtract(candidate, baseline), -2.0, alternative="less")
    assert comparison.p_regression(2.0) == pytest.approx(one_sided.pvalue)
    assert comparison.spread == pytest.approx(np.var(np.subtract(candidate, baseline), ddof=1))


def test_clustered_scores_are_those_of_statsmodels() -> None:
    values = draw_scores(90, 4)
    groups = [index % 25 for index in range(90)]
    theirs: Any = sm.OLS(values, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    comparison = compare_scores(sum_by_cluster(zip(groups, values, strict=True)))

    assert comparison.interval == pytest.approx(theirs.conf_int()[0], rel=1e-9)
    assert comparison.is_clustered


def test_scores_without_spread_have_no_interval() -> None:
    comparison = compare_scores(sum_items([2.5] * 40))

    assert (comparison.difference, comparison.interval, comparison.p) == (2.5, None, None)
    assert comparison.p_regression(1.0) is None
    assert not comparison.can_be_judged
    unpaired = compare_unpaired_scores(sum_items([1.0] * 9), sum_items([2.0] * 9))
    assert (unpaired.difference, unpaired.interval, unpaired.p, unpaired.spread) == (-1.0, None, None, None)


def test_rates_that_are_not_paired_have_newcombes_interval() -> None:
    comparison = compare_unpaired_rates(rate_of_counts(56, 70), rate_of_counts(48, 80))

    assert comparison.method is Method.NEWCOMBE_UNPAIRED
    assert not comparison.is_paired
    assert comparison.interval == pytest.approx((0.052431, 0.333873), abs=5e-7)
    assert comparison.visible is None
    assert comparison.spread == pytest.approx(0.4, abs=0.01)
    assert (comparison.items, comparison.clusters, comparison.size) == (150, 70, 150)
    # Beside the score test of the same table, whose p-value is near.
    assert comparison.p == pytest.approx(stats.chi2_contingency([[56, 14], [48, 32]], correction=False)[1], rel=0.05)


@pytest.mark.parametrize("margin", [-0.2, -0.05, 0.0, 0.03])
def test_the_p_value_is_where_newcombes_limit_would_be(margin: float) -> None:
    evidence = UnpairedEvidence(rate_of_counts(56, 70), rate_of_counts(48, 80))
    limits = evidence.interval()
    assert limits is not None

    assert evidence.share_below(limits.high) == pytest.approx(0.025, rel=1e-6)
    assert evidence.share_below(limits.low) == pytest.approx(0.975, rel=1e-6)
    assert evidence.share_below(0.2) == pytest.approx(0.5, abs=1e-6)
    assert (evidence.share_below(margin) or 0) >= (evidence.share_below(margin + 0.01) or 0)


def test_a_rate_without_an_interval_leaves_no_comparison() -> None:
    few = rate_of_sums(sum_items([0.5, 0.75, 1.0]))
    for comparison in (
        compare_unpaired_rates(few, rate_of_counts(5, 10)),
        compare_unpaired_rates(rate_of_counts(5, 10), few),
        compare_unpaired_rates(rate_of_counts(0, 0), rate_of_counts(5, 10)),
    ):
        assert (comparison.interval, comparison.p, comparison.spread) == (None, None, None)
        assert not comparison.can_be_judged


def test_scores_that_are_not_paired_are_compared_by_welch() -> None:
    candidate, baseline = draw_scores(40, 5), [3 * each for each in draw_scores(55, 6)]
    theirs: Any = stats.ttest_ind(candidate, baseline, equal_var=False)
    limits = theirs.confidence_interval()
    comparison = compare_unpaired_scores(sum_items(candidate), sum_items(baseline))

    assert comparison.method is Method.WELCH
    assert (comparison.items, comparison.clusters, comparison.size, comparison.visible) == (95, 40, 95, None)
    assert comparison.difference == pytest.approx(np.mean(candidate) - np.mean(baseline))
    assert comparison.spread == pytest.approx(np.var(candidate, ddof=1) + np.var(baseline, ddof=1))
    assert comparison.interval == pytest.approx((limits.low, limits.high))
    assert comparison.p == pytest.approx(theirs.pvalue)


def test_a_certain_difference_keeps_its_small_p_value() -> None:
    comparison = compare_sums(sum_items([0.5] * 300 + [0.25] * 300 + [-0.25]))

    assert comparison.p is not None
    assert 0 < comparison.p < 1e-30
