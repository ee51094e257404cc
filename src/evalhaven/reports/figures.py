"""Figures out of arrays: rates, spreads, histograms and sums, in the form in which they are shown."""

import math
from typing import Any

import numpy as np

from evalhaven.reports.columns.loading import Numbers
from evalhaven.reports.rates import shown_rate
from evalhaven.stats.intervals import Interval
from evalhaven.stats.rates import FEWEST_CLUSTERS, rate_of_sums
from evalhaven.stats.sums import ItemSums
from evalhaven.wire.reports import ReportHistogram, ReportScores, ReportSpread

MOST_EXACT = 1e150
"""The largest number whose square a number can hold."""

_BINS = 20

__all__ = ["shown_rate", "shown_scores", "shown_spread", "sums_by_cluster", "sums_of"]


def sums_of(values: Numbers) -> ItemSums:
    """Return the sums of values whose items are independent; NaN is left out."""
    known = values[~np.isnan(values)]
    count, total = len(known), math.fsum(known.tolist()) if len(known) < 1000 else float(known.sum())  # noqa: PLR2004
    losses = float(-known[known < 0].sum())
    return ItemSums(
        items=count,
        clusters=count,
        total=total,
        squares=float(np.dot(known, known)),
        products=total,
        squared_sizes=count,
        gains=total + losses,
        losses=losses,
    )


def sums_by_cluster(values: Numbers, clusters: Numbers) -> ItemSums:
    """Return the sums of values in clusters.

    Args:
        values: One an item; NaN is left out.
        clusters: The number of the cluster of each item.
    """
    known = ~np.isnan(values)
    values, clusters = values[known], clusters[known].astype(np.int64)
    totals = np.bincount(clusters, weights=values)
    sizes = np.bincount(clusters)
    totals, sizes = totals[sizes > 0], sizes[sizes > 0]
    losses = float(-values[values < 0].sum())
    return ItemSums(
        items=len(values),
        clusters=len(sizes),
        total=float(values.sum()),
        squares=float(np.dot(totals, totals)),
        products=float(np.dot(totals, sizes)),
        squared_sizes=float(np.dot(sizes, sizes)),
        gains=float(values.sum()) + losses,
        losses=losses,
    )


def shown_scores(scores: Numbers, items: Numbers | None = None) -> ReportScores | None:
    """Return scores as they are shown; None if there are none.

    Args:
        scores: One a sample; NaN is left out.
        items: The number of each sample's item if some have several samples, which are then no items of their own.
    """
    known = scores[~np.isnan(scores)]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    is_mark = low == high or _are_marks(known)
    shown = _shown_marks(int(np.count_nonzero(known == high)), len(known), low, high) if is_mark else None
    shown = shown or _shown_others(known, low, high)
    if items is not None and shown.mean_interval is not None:
        interval = rate_of_sums(sums_by_cluster(scores, items), len(known)).interval
        return shown.model_copy(update={"mean_interval": None if interval is None else list(interval)})
    return shown


def _shown_others(known: Numbers, low: float, high: float) -> ReportScores:
    # Divided by their size, scores near the end of what a number can hold do not overflow.
    size = max(-low, high) if max(-low, high) > MOST_EXACT else 1.0
    deviation = size * float((known / size).std(ddof=1)) if len(known) > 1 else None
    return ReportScores(
        items=len(known),
        mean=size * float((known / size).mean()),
        deviation=deviation if deviation is not None and math.isfinite(deviation) else None,
        low=low,
        high=high,
        mean_interval=_mean_interval(known, low, high),
        histogram=_histogram(known, low, high),
    )


def _are_marks(scores: Numbers) -> bool:
    """Tell whether all scores are 0 or 1, as those of most criteria."""
    return bool(np.isin(scores, (0.0, 1.0)).all())


def _shown_marks(highest: int, count: int, low: float, high: float) -> ReportScores:
    """Return scores that are one of two values, or all equal, as they are shown."""
    mean = low if low == high else low + (high - low) * highest / count
    variance = (high - low) ** 2 * highest * (count - highest) / count
    is_share = low >= 0 and high <= 1 and count >= FEWEST_CLUSTERS
    sums = ItemSums(
        count, count, mean * count, high * high * highest + low * low * (count - highest), mean * count, count
    )
    interval = rate_of_sums(sums).interval if is_share else None
    counts = [0] * _BINS
    counts[0], counts[-1] = count - highest, highest
    return ReportScores(
        items=count,
        mean=mean,
        deviation=math.sqrt(variance / (count - 1)) if count > 1 else None,
        low=low,
        high=high,
        mean_interval=None if interval is None else [interval.low, interval.high],
        histogram=None if low == high else ReportHistogram(low=low, high=high, counts=counts),
    )


def shown_spread(values: Numbers) -> ReportSpread | None:
    """Return the percentiles of values as they are shown; None if there are no values."""
    count = len(values)
    if not count:
        return None
    ranks = [max(math.ceil(share * count) - 1, 0) for share in (0.5, 0.9, 0.95, 0.99)]
    chosen = np.partition(values, sorted(set(ranks)))
    p50, p90, p95, p99 = (float(chosen[rank]) for rank in ranks)
    return ReportSpread(
        items=count,
        mean=float(values.mean()),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        high=float(values.max()),
        histogram=_open_histogram(values, p99),
    )


def _open_histogram(values: Numbers, p99: float) -> ReportHistogram | None:
    """Return bins from 0 to a round number above the 99th percentile; the last one has all that is above, too."""
    if not 0 < p99 < math.inf or values.min() < 0:
        return None
    step = 10.0 ** math.floor(math.log10(p99)) / 2
    end = math.ceil(p99 / step) * step
    counts: Any = np.histogram(np.minimum(values, end), bins=_BINS, range=(0.0, end))[0]
    return ReportHistogram(low=0.0, high=end, counts=[int(count) for count in counts])


def _mean_interval(scores: Numbers, low: float, high: float) -> list[float] | None:
    if low < 0 or high > 1 or len(scores) < FEWEST_CLUSTERS:
        return None
    interval: Interval | None = rate_of_sums(sums_of(scores)).interval
    return None if interval is None else [interval.low, interval.high]


def _histogram(scores: Numbers, low: float, high: float) -> ReportHistogram | None:
    if low == high:
        return None
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if not math.isfinite(high - low):
        return None
    counts: Any = np.histogram(scores, bins=_BINS, range=(low, high))[0]
    return ReportHistogram(low=low, high=high, counts=[int(count) for count in counts])
