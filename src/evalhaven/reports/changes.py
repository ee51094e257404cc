"""How the rate changed from one run to the next, over the same items where these are at hand: for lists of evals."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from evalhaven.reports.columns.loading import RunColumns
from evalhaven.reports.columns.making import column_type
from evalhaven.reports.comparison import compare_values, shown_difference
from evalhaven.reports.pairing import RunItems, items_of, pair_items
from evalhaven.stats.comparisons import compare_unpaired_rates
from evalhaven.stats.rates import Rate
from evalhaven.wire.comparisons import Difference

Measured = tuple[Rate, RunItems | None]
"""The rate of a run, and its items if they are at hand."""


def items_of_pieces(pieces: Mapping[str, bytes]) -> RunItems:
    """Return the items of a run whose columns `key`, `position` and `status` are one piece each."""
    count = len(pieces["status"]) // column_type("status").itemsize
    parts = {name: {0: data} for name, data in pieces.items()}
    return items_of(RunColumns(count, (), {}, {}, frozenset(), {}, _parts=parts, _lengths=[count]))


def change_between(before: Measured, after: Measured) -> tuple[Literal["content"] | None, Difference]:
    """Return how the items of two runs were paired, and the difference of their rates.

    Args:
        before: The baseline.
        after: The run that is compared with it.
    """
    (old_rate, old), (new_rate, new) = before, after
    if old is not None and new is not None:
        pairing = pair_items(old, new, "content")
        if len(pairing.baseline):
            earlier, later = old.values()[pairing.baseline], new.values()[pairing.candidate]
            known = ~(np.isnan(earlier) | np.isnan(later))
            comparison = compare_values(earlier[known], later[known], is_repeated=old.is_repeated or new.is_repeated)
            return "content", shown_difference(comparison, None)
    return None, shown_difference(compare_unpaired_rates(new_rate, old_rate), None)
