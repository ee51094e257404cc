"""How the labels of a criterion agree with a field that holds the right ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evalhaven.domain import jsontext
from evalhaven.reports.columns.loading import Numbers
from evalhaven.reports.figures import shown_rate
from evalhaven.stats.labels import LabelScores, score_labels
from evalhaven.stats.rates import Rate, rate_of_sums
from evalhaven.stats.sums import ItemSums
from evalhaven.wire.reports import LabelAgreement, ReportAgreement


def agreement_of(
    field: str, references: tuple[Sequence[Any], Numbers], given: tuple[Sequence[str], Numbers], items: Numbers | None
) -> ReportAgreement:
    """Return how labels agree with their references.

    Args:
        field: The field that holds the references.
        references: The values of the field, and the number of each sample's value, from 1 on; 0 where there is none.
        given: Labels, and the number of each sample's label, likewise.
        items: The number of each sample's item if some have several samples, which are then no items of their own.
    """
    labels = list(dict.fromkeys((*map(_as_label, references[0]), *given[0])))
    numbers = {label: number for number, label in enumerate(labels)}
    of_reference = np.array([-1, *(numbers[_as_label(value)] for value in references[0])])[references[1]]
    of_given = np.array([-1, *(numbers[label] for label in given[0])])[given[1]]
    has_both = (of_reference >= 0) & (of_given >= 0)
    of_reference, of_given = of_reference[has_both], of_given[has_both]
    pairs, counts = np.unique(of_reference * len(labels) + of_given, return_counts=True)
    scored = score_labels(
        {
            (labels[int(pair) // len(labels)], labels[int(pair) % len(labels)]): int(count)
            for pair, count in zip(pairs, counts, strict=True)
        }
    )
    accuracy, scores = scored.accuracy, scored.labels
    if items is not None:
        clustered = _Clustered(items[has_both], of_reference, of_given, len(labels))
        accuracy = clustered.accuracy()
        precisions, recalls = clustered.rates(of_given), clustered.rates(of_reference)
        scores = [
            replace(each, precision=precisions[numbers[each.label]], recall=recalls[numbers[each.label]])
            for each in scores
        ]
    return ReportAgreement(
        field=field,
        items=scored.items,
        accuracy=shown_rate(accuracy),
        macro_f1=scored.macro_f1,
        labels=[_shown_label(each) for each in scores],
    )


class _Clustered:
    """Shares of equal labels among samples of which several may belong to one item."""

    def __init__(self, items: Numbers, of_reference: Numbers, of_given: Numbers, count: int) -> None:
        self._items = items
        self._is_same = of_reference == of_given
        self._count = count

    def accuracy(self) -> Rate:
        """Return the share of all samples."""
        return self.rates(np.zeros(len(self._items), np.int64))[0]

    def rates(self, groups: Numbers) -> Mapping[int, Rate]:
        """Return the share of each group of samples: those that were given a label, or that should have been."""
        found, inverse = np.unique(self._items * np.int64(self._count) + groups, return_inverse=True)
        sizes = np.bincount(inverse, minlength=len(found))
        same = np.bincount(inverse, weights=self._is_same, minlength=len(found))
        of = found % self._count
        sums = [
            np.bincount(of, weights=weights, minlength=self._count)
            for weights in (sizes, np.ones(len(found)), same, same * same, same * sizes, sizes * sizes)
        ]
        return {group: _rate(*(float(each[group]) for each in sums)) for group in range(self._count)}


def _rate(items: float, clusters: float, total: float, squares: float, products: float, squared_sizes: float) -> Rate:
    sums = ItemSums(int(items), int(clusters), total, squares, products, squared_sizes)
    return rate_of_sums(sums, int(items) or None)


def _as_label(value: Any) -> str:
    """Return the value of a field as a judge would write it."""
    return value if isinstance(value, str) else jsontext.render(value)


def _shown_label(scores: LabelScores) -> LabelAgreement:
    return LabelAgreement(
        label=scores.label,
        support=scores.support,
        predicted=scores.predicted,
        correct=scores.correct,
        precision=shown_rate(scores.precision),
        recall=shown_rate(scores.recall),
        f1=scores.f1,
    )
