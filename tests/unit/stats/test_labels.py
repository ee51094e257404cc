"""Our precision, recall and F1 equal scikit-learn's."""

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from evalhaven.stats.intervals import wilson_interval
from evalhaven.stats.labels import score_labels
from tests.on_use import on_use

if TYPE_CHECKING:
    from sklearn import metrics
else:
    metrics = on_use("sklearn.metrics")

LABELS = ("bug", "question", "refund", "spam")


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    chance = random.Random(seed)
    reference = [chance.choice(LABELS[:3]) for _ in range(200)] + ["spam"]
    given = [each if chance.random() < 0.7 else chance.choice(LABELS) for each in reference]
    score: Any = metrics.precision_recall_fscore_support
    precision, recall, f1, support = score(reference, given, labels=LABELS, zero_division=0)

    ours = score_labels(Counter(zip(reference, given, strict=True)))

    assert ours.items == 201
    assert ours.accuracy.value == pytest.approx(metrics.accuracy_score(reference, given))
    assert [each.label for each in ours.labels] == list(LABELS)
    assert [each.precision.value or 0.0 for each in ours.labels] == pytest.approx(list(precision))
    assert [each.recall.value or 0.0 for each in ours.labels] == pytest.approx(list(recall))
    assert [each.f1 or 0.0 for each in ours.labels] == pytest.approx(list(f1))
    assert [each.support for each in ours.labels] == list(support)
    assert ours.macro_f1 == pytest.approx(sum(f1) / 4)


def test_a_quotient_without_items_is_not_known() -> None:
    never_given, never_right = score_labels({("a", "b"): 4, ("b", "b"): 6}).labels

    assert (never_given.precision.value, never_given.recall.value, never_given.f1) == (None, 0.0, 0.0)
    assert never_right.precision.interval == pytest.approx(wilson_interval(6, 10))
    empty = score_labels({})
    assert (empty.items, empty.accuracy.value, empty.labels, empty.macro_f1) == (0, None, (), None)
    assert score_labels({("a", "b"): 0}).macro_f1 is None


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        score_labels({("a", "a"): -1})
