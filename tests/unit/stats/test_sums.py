"""Facts about sums of item values."""

import random
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from evalhaven.stats.sums import ItemSums, sum_by_cluster, sum_items
from tests.on_use import on_use

if TYPE_CHECKING:
    import statsmodels.api as sm
    from scipy import stats
else:
    sm = on_use("statsmodels.api")
    stats = on_use("scipy.stats")


def draw_values(number: int, seed: int = 3) -> list[float]:
    chance = random.Random(seed)
    return [chance.choice([-1.0, -0.5, 0.0, 0.0, 0.25, 1.0]) + chance.random() / 100 for _ in range(number)]


def test_sums_of_items_have_the_standard_error_of_the_mean() -> None:
    values = draw_values(211)
    sums = sum_items(values)

    assert sums.items == sums.clusters == 211
    assert not sums.is_clustered
    assert sums.mean == pytest.approx(np.mean(values))
    assert sums.variance == pytest.approx(stats.sem(values) ** 2)
    assert sums.gains - sums.losses == pytest.approx(sums.total)


@pytest.mark.parametrize("clusters", [2, 7, 40])
def test_the_variance_is_the_cluster_robust_one_of_statsmodels(clusters: int) -> None:
    values = draw_values(300)
    chance = random.Random(clusters)
    names = [chance.randrange(clusters) for _ in values]
    names[:clusters] = range(clusters)
    theirs = sm.OLS(values, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": names})

    sums = sum_by_cluster(zip(names, values, strict=True))

    assert (sums.items, sums.clusters, sums.is_clustered) == (300, clusters, True)
    assert sums.variance == pytest.approx(theirs.bse[0] ** 2, rel=1e-9)


def test_batches_add_up() -> None:
    values = draw_values(1_000)
    names = [index // 4 for index in range(1_000)]
    cuts = [0, 8, 400, 1_000]  # no cluster is cut
    batches = [sum_by_cluster(zip(names[start:end], values[start:end], strict=True)) for start, end in pairwise(cuts)]
    together = sum(batches, ItemSums())
    whole = sum_by_cluster(zip(names, values, strict=True))

    assert together.clusters == whole.clusters == 250
    assert together.variance == pytest.approx(whole.variance)
    assert together.gains == pytest.approx(whole.gains)
    assert together.losses == pytest.approx(whole.losses)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, -0.3])
def test_equal_values_have_no_variance_at_all(value: float) -> None:
    assert sum_items([value] * 100_003).variance == 0.0
    assert sum_by_cluster((index % 7, value) for index in range(1_001)).variance == 0.0


def test_one_different_value_of_a_million_has_a_variance() -> None:
    sums = ItemSums(1_000_000, 1_000_000, 999_999.9, 999_999.81, 999_999.9, 1_000_000, 999_999.9, 0.0)

    assert sums.variance == pytest.approx(1e-14, rel=1e-2)


def test_fewer_than_two_clusters_have_no_variance() -> None:
    assert ItemSums().mean == ItemSums().variance == 0.0
    assert sum_items([0.4]).variance == 0.0
    assert sum_by_cluster([("a", 0.4), ("a", 0.7)]).variance == 0.0
