"""Facts about the rate of a run whose items were sampled several times, as the gate and the comparison use it."""

import numpy as np
import pytest

from evalhaven.reports.comparison import rate_of
from evalhaven.stats.repeats import rate_of_repeats

PASSES = [2, 3, 3, 4, 5] * 8


def test_samples_of_an_item_tell_as_much_as_the_report_says() -> None:
    counts = {(5, passes): PASSES.count(passes) for passes in PASSES}
    rate = rate_of(np.array(PASSES) / 5, 5.0)

    assert rate == rate_of_repeats(counts)
    assert rate.size > len(PASSES)


@pytest.mark.parametrize(("samples_each", "most"), [(1.0, 40), (2.5, 100), (5.0, 200)])
def test_they_never_tell_more_than_as_many_items(samples_each: float, most: int) -> None:
    rate = rate_of(np.array([0.4, 0.6] * 20), samples_each)

    assert rate.size == most
