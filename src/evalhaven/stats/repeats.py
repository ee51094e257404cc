"""Items sampled more than once: pass@k, pass^k, and which of them are not stable.

Outcomes come folded, as how many items had each pair of numbers: samples and how many of them passed. Such a table has
few entries, whatever the number of items.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evalhaven.stats.rates import Rate, rate_of_sums
from evalhaven.stats.sums import ItemSums

RepeatCounts = Mapping[tuple[int, int], int]
"""Number of items by (samples, passes)."""

PairedRepeatCounts = Mapping[tuple[tuple[int, int], tuple[int, int]], int]
"""Number of items by (samples, passes) of the candidate and of the baseline."""


def pass_at_k(samples: int, passes: int, k: int) -> float:
    """Return the chance that at least one of k samples passes, estimated without bias from more of them.

    Args:
        samples: Samples of the item (n), at least `k`.
        passes: How many of them passed (c), 0 to `samples`.
        k: At least 1.

    Raises:
        ValueError: A count is out of range.

    Source: Chen et al. 2021, "Evaluating large language models trained on code", arXiv 2107.03374.
    """
    return 1 - pass_hat_k(samples, samples - passes, k)


def pass_hat_k(samples: int, passes: int, k: int) -> float:
    """Return pass^k: the chance that all of k samples pass, estimated without bias from more of them.

    Args:
        samples: Samples of the item (n), at least `k`.
        passes: How many of them passed (c), 0 to `samples`.
        k: At least 1.

    Raises:
        ValueError: A count is out of range.

    Source: Yao et al. 2024, "tau-bench", arXiv 2406.12045.
    """
    if not 1 <= k <= samples or not 0 <= passes <= samples:
        raise ValueError(f"there must be at least k samples and at most as many passes, got {samples}, {passes}, {k}")
    return math.comb(passes, k) / math.comb(samples, k)


@dataclass(frozen=True, slots=True)
class RepeatSummary:
    """What k repeats tell of a run.

    Attributes:
        k: Samples that pass@k and pass^k are about.
        items: Items with at least k samples.
        left_out: Items with fewer.
        unstable: Items, of all, of which some samples passed and some failed.
        at_least_one: pass@k, the mean over items, with its interval.
        all_of_them: pass^k, the mean over items, with its interval.
    """

    k: int
    items: int
    left_out: int
    unstable: int
    at_least_one: Rate
    all_of_them: Rate


def summarize_repeats(counts: RepeatCounts, k: int) -> RepeatSummary:
    """Return pass@k and pass^k of a run.

    Args:
        counts: Items by samples and passes; items without a sample are not among them.
        k: At least 1.

    Raises:
        ValueError: A count or k is out of range.

    Source: arXiv 2107.03374 and 2406.12045; intervals as for `rate_of_sums`.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k!r}")
    used = {key: number for key, number in counts.items() if key[0] >= k and number}
    items = sum(used.values())
    most = sum(number * (samples // k) for (samples, _), number in used.items())
    return RepeatSummary(
        k=k,
        items=items,
        left_out=sum(counts.values()) - items,
        unstable=sum(number for (samples, passes), number in counts.items() if 0 < passes < samples),
        at_least_one=rate_of_sums(sum_repeats(used, lambda n, c: pass_at_k(n, c, k)), most),
        all_of_them=rate_of_sums(sum_repeats(used, lambda n, c: pass_hat_k(n, c, k)), most),
    )


def rate_of_repeats(counts: RepeatCounts) -> Rate:
    """Return the pass rate of a run with repeats: the mean over items of each item's share of passes.

    Args:
        counts: Items by samples and passes, each with at least one sample.

    Source: as for `rate_of_sums`.
    """
    most = sum(number * samples for (samples, _), number in counts.items())
    return rate_of_sums(sum_repeats(counts, share_of_passes), most)


def share_of_passes(samples: int, passes: int) -> float:
    """Return an item's share of passes."""
    return passes / samples


def sum_repeats(counts: RepeatCounts, value: Callable[[int, int], float]) -> ItemSums:
    """Return the sums over items of a value computed from samples and passes.

    Args:
        counts: Items by samples and passes.
        value: Computes it, at least 0, from the two.
    """
    return _sum_weighted([(value(*key), number) for key, number in counts.items()])


def sum_paired_repeats(counts: PairedRepeatCounts, value: Callable[[int, int], float]) -> ItemSums:
    """Return the sums over paired items of the candidate's value less the baseline's.

    Args:
        counts: Items by samples and passes of the candidate and of the baseline.
        value: Computes a value from samples and passes, as `share_of_passes` does.
    """
    return _sum_weighted([(value(*one) - value(*other), number) for (one, other), number in counts.items()])


def within_items(counts: RepeatCounts) -> float | None:
    """Return the variance of one item's samples, averaged over items: what repeats take away.

    Args:
        counts: Items by samples and passes.

    Returns:
        The variance, 0 to 0.5; None if no item has two samples.

    Source: the unbiased variance of each item's outcomes; Miller 2024, arXiv 2411.00640, section 3.
    """
    repeated = {key: number for key, number in counts.items() if key[0] >= 2}  # noqa: PLR2004 - one has no variance
    items = sum(repeated.values())
    if not items:
        return None
    total = sum(number * c * (n - c) / (n * (n - 1)) for (n, c), number in repeated.items())
    return total / items


def _sum_weighted(values: list[tuple[float, int]]) -> ItemSums:
    items = sum(number for _, number in values)
    total = math.fsum(value * number for value, number in values)
    return ItemSums(
        items=items,
        clusters=items,
        total=total,
        squares=math.fsum(value * value * number for value, number in values),
        products=total,
        squared_sizes=items,
        gains=math.fsum(value * number for value, number in values if value > 0),
        losses=math.fsum(-value * number for value, number in values if value < 0),
    )
