"""Facts about two runs over the same items."""

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.stats.paired import (
    McNemar,
    PairCounts,
    Unknown,
    mcnemar,
    newcombe_paired_interval,
    tango_interval,
    tango_statistic,
)
from tests.on_use import on_use

if TYPE_CHECKING:
    from statsmodels.stats import contingency_tables
else:
    contingency_tables = on_use("statsmodels.stats.contingency_tables")

Z = 1.959963984540054


@st.composite
def changes(draw: st.DrawFn) -> tuple[int, int, int]:
    pairs = draw(st.integers(min_value=1, max_value=5_000))
    fixed = draw(st.integers(min_value=0, max_value=pairs))
    return fixed, draw(st.integers(min_value=0, max_value=pairs - fixed)), pairs


@pytest.mark.parametrize(
    ("fixed", "regressed", "pairs", "low", "high"),
    [
        (1, 7, 21, -0.517232, -0.026003),
        (25, 10, 500, 0.007196, 0.055155),
        (20, 0, 20, 0.677750, 1.0),
        (4, 0, 20, 0.006650, 0.416017),
    ],
)
def test_tangos_limits_are_the_known_ones(fixed: int, regressed: int, pairs: int, low: float, high: float) -> None:
    """The first is an example of Tango 1998; a last digit may be cut instead of rounded."""
    assert tango_interval(fixed, regressed, pairs) == pytest.approx((low, high), abs=6e-7)


@pytest.mark.parametrize("pairs", [1, 20, 5_000])
def test_limits_end_where_every_item_changed(pairs: int) -> None:
    assert tango_interval(pairs, 0, pairs).high == 1.0
    assert tango_interval(0, pairs, pairs).low == -1.0
    assert tango_interval(0, pairs, pairs).high == pytest.approx(-tango_interval(pairs, 0, pairs).low)


def test_the_statistic_is_0_where_the_data_are() -> None:
    assert tango_statistic(5, 5, 50, 0.0) == 0.0
    assert tango_statistic(6, 1, 50, 0.1) == 0.0


@pytest.mark.parametrize("pairs", [1, 20, 1_319, 1_000_000])
def test_without_a_change_the_limits_are_those_of_the_formula(pairs: int) -> None:
    limit = Z**2 / (pairs + Z**2)

    assert tango_interval(0, 0, pairs) == pytest.approx((-limit, limit), rel=1e-12)


@given(changes())
def test_the_statistic_is_the_critical_value_at_the_limits(counts: tuple[int, int, int]) -> None:
    fixed, regressed, pairs = counts
    low, high = tango_interval(fixed, regressed, pairs)

    assert -1 <= low <= (fixed - regressed) / pairs <= high <= 1
    assert low == -1 or tango_statistic(fixed, regressed, pairs, low) == pytest.approx(Z, rel=1e-5)
    assert high == 1 or tango_statistic(fixed, regressed, pairs, high) == pytest.approx(-Z, rel=1e-5)


@given(changes())
def test_exchanging_the_runs_mirrors_the_interval(counts: tuple[int, int, int]) -> None:
    fixed, regressed, pairs = counts
    low, high = tango_interval(fixed, regressed, pairs)

    assert tango_interval(regressed, fixed, pairs) == pytest.approx((-high, -low), abs=1e-12)


@given(changes(), st.floats(min_value=-0.999, max_value=0.999))
def test_the_statistic_has_the_likeliest_variance(counts: tuple[int, int, int], difference: float) -> None:
    """Its share of regressions is where the likelihood under the supposed difference is largest."""
    fixed, regressed, pairs = counts
    statistic = tango_statistic(fixed, regressed, pairs, difference)
    if statistic == 0 or math.isinf(statistic):
        return
    variance = ((fixed - regressed - pairs * difference) / statistic) ** 2 / pairs
    share = (variance - difference * (1 - difference)) / 2

    def likelihood(q: float) -> float:
        parts = ((fixed, q + difference), (regressed, q), (pairs - fixed - regressed, 1 - 2 * q - difference))
        if any(part < 0 or (count and part == 0) for count, part in parts):
            return -math.inf
        return sum(count * math.log(part) for count, part in parts if count)

    least, most = max(0.0, -difference), (1 - difference) / 2
    assert least - 1e-9 <= share <= most + 1e-9
    within = min(max(share, least + 1e-12), most - 1e-12)
    best = likelihood(within)
    for nearby in (within + (most - within) / 50, within - (within - least) / 50):
        assert likelihood(nearby) <= best + 1e-6


def test_fractions_of_items_are_allowed() -> None:
    whole, half = tango_interval(4, 2, 40), tango_interval(2.5, 1.25, 25.0)

    assert half.low < whole.low < whole.high < half.high


def test_no_pairs_say_nothing() -> None:
    assert tango_interval(0, 0, 0) == (-1.0, 1.0)
    assert newcombe_paired_interval(PairCounts(0, 0, 0, 0)) == (-1.0, 1.0)
    assert PairCounts(0, 0, 0, 0).difference == 0.0


@pytest.mark.parametrize(("fixed", "regressed", "pairs"), [(-1, 0, 5), (0, -1, 5), (3, 3, 5)])
def test_impossible_changes_are_refused(fixed: int, regressed: int, pairs: int) -> None:
    with pytest.raises(ValueError, match="changes must be between 0 and all pairs"):
        tango_interval(fixed, regressed, pairs)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        PairCounts(3, -1, 0, 0)
    with pytest.raises(ValueError, match="must not be negative"):
        mcnemar(2, -1)


def test_newcombes_limits_are_the_published_ones() -> None:
    assert newcombe_paired_interval(PairCounts(1, 1, 7, 12)) == pytest.approx((-0.506920, -0.025559), abs=5e-7)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        (PairCounts(36, 12, 2, 0), 0.0569, 0.3404),
        (PairCounts(20, 12, 2, 16), 0.0562, 0.3292),
        (PairCounts(54, 0, 0, 0), -0.0664, 0.0664),
        (PairCounts(0, 54, 0, 0), 0.9061, 1.0),
    ],
)
def test_newcombes_limits_hold_at_the_corners(counts: PairCounts, low: float, high: float) -> None:
    """Table II of Newcombe 1998, method 10."""
    assert newcombe_paired_interval(counts) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("fixed", "regressed", "exact", "mid_p"),
    [(1, 7, 0.0703125, 0.0390625), (25, 10, 0.0166738, 0.0113310), (3, 3, 1.0, 0.84375), (4, 0, 0.125, 0.0625)],
)
def test_mcnemars_p_values_are_the_known_ones(fixed: int, regressed: int, exact: float, mid_p: float) -> None:
    test = mcnemar(fixed, regressed)

    assert (test.exact, test.mid_p) == pytest.approx((exact, mid_p), abs=5e-8)


def test_without_a_change_the_p_values_are_1() -> None:
    assert mcnemar(0, 0) == McNemar(1.0, 1.0)


@pytest.mark.parametrize(("fixed", "regressed"), [(0, 1), (1, 0), (5, 5), (30, 11), (360, 76), (400, 1_000), (70, 69)])
def test_the_exact_p_value_is_that_of_statsmodels(fixed: int, regressed: int) -> None:
    theirs: Any = contingency_tables.mcnemar([[100, fixed], [regressed, 50]], exact=True)

    assert mcnemar(fixed, regressed).exact == pytest.approx(theirs.pvalue, rel=1e-10)


def test_unknown_outcomes_are_filled_for_the_worst() -> None:
    unknown = Unknown(candidate_on_passed=12, candidate_on_failed=3, baseline_on_passed=5, baseline_on_failed=7)
    filled = PairCounts(100, 10, 10, 380).filled(unknown)

    assert unknown.total == 27
    assert filled == PairCounts(105, 10, 29, 383)
    assert filled.pairs == 527
