"""How well labels agree with a reference: precision, recall and F1 of each label."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from evalhaven.stats.rates import Rate, rate_of_counts


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Figures of one label.

    Attributes:
        label: The label.
        support: Items that have it in the reference.
        predicted: Items that were given it.
        correct: Items with it in both.
        precision: Of the items that were given it, those that have it; its value is None if there are none.
        recall: Of the items that have it, those that were given it; its value is None if there are none.
        f1: Their harmonic mean; None if the label occurs in neither.
    """

    label: str
    support: int
    predicted: int
    correct: int
    precision: Rate
    recall: Rate
    f1: float | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Figures of all labels.

    Attributes:
        items: Items with both labels.
        accuracy: Share of items with the same label in both.
        labels: Figures of each label of either side, in order of the labels.
        macro_f1: Mean of F1 over labels that occur in the reference or were given; None without items.
    """

    items: int
    accuracy: Rate
    labels: tuple[LabelScores, ...]
    macro_f1: float | None


def score_labels(counts: Mapping[tuple[str, str], int]) -> Agreement:
    """Return precision, recall and F1 of each label against a reference.

    Args:
        counts: Number of items by (label of the reference, label that was given), at least 0.

    Raises:
        ValueError: A count is negative.

    Source: van Rijsbergen 1979, "Information retrieval", chapter 7; intervals by Wilson 1927. A quotient without items
        is None, where scikit-learn says 0 unless `zero_division` is given.
    """
    if any(number < 0 for number in counts.values()):
        raise ValueError("counts must not be negative")
    support, predicted = Counter[str](), Counter[str]()
    for (reference, given), number in counts.items():
        support[reference] += number
        predicted[given] += number
    labels = sorted(support.keys() | predicted.keys())
    scores = tuple(_score_label(each, support[each], predicted[each], counts.get((each, each), 0)) for each in labels)
    items = support.total()
    same = sum(each.correct for each in scores)
    known = [each.f1 for each in scores if each.f1 is not None]
    return Agreement(items, rate_of_counts(same, items), scores, sum(known) / len(known) if known else None)


def _score_label(label: str, support: int, predicted: int, correct: int) -> LabelScores:
    f1 = 2 * correct / (support + predicted) if support + predicted else None
    precision, recall = rate_of_counts(correct, predicted), rate_of_counts(correct, support)
    return LabelScores(label, support, predicted, correct, precision, recall, f1)
