"""Facts about the histogram of a spread: it holds every value, and its ends are round."""

import numpy as np
import pytest

from evalhaven.reports.figures import shown_spread


@pytest.mark.parametrize(
    ("values", "end"), [([1.0, 2.0, 3.0], 3.0), ([140.0] * 99 + [9000.0], 150.0), ([0.004], 0.004), ([4140.0], 4500.0)]
)
def test_a_histogram_goes_from_0_to_a_round_number_above_the_99th_percentile(values: list[float], end: float) -> None:
    spread = shown_spread(np.array(values))

    assert spread is not None
    assert spread.histogram is not None
    assert (spread.histogram.low, spread.histogram.high) == (0.0, pytest.approx(end))
    assert sum(spread.histogram.counts) == len(values)


def test_the_last_bin_has_what_is_above_it() -> None:
    spread = shown_spread(np.array([1.0] * 200 + [50.0]))

    assert spread is not None
    assert spread.histogram is not None
    assert spread.histogram.counts[-1] == 201


def test_values_that_are_all_0_have_no_histogram() -> None:
    spread = shown_spread(np.zeros(3))

    assert spread is not None
    assert spread.histogram is None
