"""Facts about figures where items have several samples: how labels agree with a reference, and mean scores."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from evalhaven.reports.agreement import agreement_of
from evalhaven.reports.figures import shown_rate, shown_scores
from evalhaven.stats.rates import rate_of_sums
from evalhaven.stats.sums import sum_by_cluster
from evalhaven.wire.reports import ReportRate

REFERENCES = ["yes", "no", True, 7]
GIVEN = ["no", "yes", "true", "perhaps"]


def samples(seed: int = 4) -> list[tuple[int, int, int]]:
    """Return item, number of the reference and number of the label of samples, some without one of them."""
    chance = random.Random(seed)
    references = [chance.randrange(5) for _ in range(60)]
    return [(item, references[item], chance.randrange(5)) for item in range(60) for _ in range(item % 4 + 1)]


def rate_where(is_counted: Callable[[str, str], bool]) -> ReportRate:
    """Return the share of equal labels, computed sample by sample."""
    values: list[tuple[int, float]] = []
    for item, reference, given in samples():
        if reference and given:
            pair = (["", "yes", "no", "true", "7"][reference], GIVEN[given - 1])
            if is_counted(*pair):
                values.append((item, float(pair[0] == pair[1])))
    return shown_rate(rate_of_sums(sum_by_cluster(values), len(values) or None))


def test_intervals_count_items_and_not_their_samples() -> None:
    item, reference, given = (np.array(each) for each in zip(*samples(), strict=True))
    found = agreement_of("f", (REFERENCES, reference), (GIVEN, given), item)

    assert [each.label for each in found.labels] == ["7", "no", "perhaps", "true", "yes"]
    assert found.accuracy.model_dump() == pytest.approx(rate_where(lambda _, __: True).model_dump())
    for each in found.labels:
        precision = rate_where(lambda _, label, each=each: label == each.label)
        recall = rate_where(lambda label, _, each=each: label == each.label)
        assert each.precision.model_dump() == pytest.approx(precision.model_dump())
        assert each.recall.model_dump() == pytest.approx(recall.model_dump())
    by_sample = agreement_of("f", (REFERENCES, reference), (GIVEN, given), None)
    assert by_sample.accuracy.value == pytest.approx(found.accuracy.value)
    assert by_sample.accuracy.low is not None
    assert found.accuracy.low is not None
    assert by_sample.accuracy.low != pytest.approx(found.accuracy.low)
    assert by_sample.macro_f1 == found.macro_f1


def test_no_label_at_all_is_no_agreement() -> None:
    nothing = np.zeros(3, np.int64)
    found = agreement_of("f", (REFERENCES, nothing), (GIVEN, nothing), nothing)
    assert (found.items, found.accuracy.value, found.labels, found.macro_f1) == (0, None, [], None)


@pytest.mark.parametrize("values", [(0.0, 1.0), (0.0, 0.25, 1.0)])
def test_the_interval_of_a_mean_score_counts_items(values: tuple[float, ...]) -> None:
    item = np.array([each for each, *_ in samples()])
    scores = np.array([values[each % len(values)] for each in item])
    found = shown_scores(scores, item)
    expected = rate_of_sums(sum_by_cluster(zip(item.tolist(), scores.tolist(), strict=True)), len(item)).interval

    assert found is not None
    assert expected is not None
    assert found.mean_interval == pytest.approx(list(expected))
    by_sample = shown_scores(scores)
    assert by_sample is not None
    assert by_sample.mean_interval is not None
    low, high = by_sample.mean_interval
    assert expected[0] < low < high < expected[1]
    assert found.model_copy(update={"mean_interval": None}) == by_sample.model_copy(update={"mean_interval": None})
