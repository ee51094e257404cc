"""What the values of items add up to, in clusters: all that the methods for repeats, clusters and scores need.

An item's value is the mean over its repeats, or the candidate's less the baseline's. Sums of batches can be added, so
nobody has to hold the values of a large run.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import islice

_ROUNDING = 1e-11
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class ItemSums:
    """Sums over items and their clusters.

    Where every item is a cluster of its own, `squares` is the sum of squared values, `products` is `total`, and
    `squared_sizes` is `items`.

    Attributes:
        items: Number of items (N).
        clusters: Number of clusters (C), at most `items`.
        total: Sum of the values.
        squares: Sum over clusters of the squared sum of their values.
        products: Sum over clusters of the sum of their values times their number of items.
        squared_sizes: Sum over clusters of their squared number of items.
        gains: Sum of the positive values.
        losses: Sum of the negative values, without their sign.
    """

    items: int = 0
    clusters: int = 0
    total: float = 0.0
    squares: float = 0.0
    products: float = 0.0
    squared_sizes: float = 0.0
    gains: float = 0.0
    losses: float = 0.0

    def __add__(self, other: "ItemSums") -> "ItemSums":
        """Return the sums over both; no cluster may be in both."""
        return ItemSums(
            self.items + other.items,
            self.clusters + other.clusters,
            self.total + other.total,
            self.squares + other.squares,
            self.products + other.products,
            self.squared_sizes + other.squared_sizes,
            self.gains + other.gains,
            self.losses + other.losses,
        )

    @property
    def mean(self) -> float:
        """Return the mean of the values; 0.0 without items."""
        return self.total / self.items if self.items else 0.0

    @property
    def variance(self) -> float:
        """Return the variance of the mean (V), robust to clusters; 0.0 for a single cluster or none.

        Source: Liang, Zeger 1986, Biometrika 73, with the factor C / (C - 1): `cov_type="cluster"` in statsmodels.
            For evaluations: Miller 2024, "Adding error bars to evals", arXiv 2411.00640.
        """
        if self.clusters < 2:  # noqa: PLR2004 - one cluster has no spread
            return 0.0
        mean = self.mean
        scale = self.squares + mean * mean * self.squared_sizes
        residuals = self.squares - 2 * mean * self.products + mean * mean * self.squared_sizes
        if residuals <= _ROUNDING * scale:  # Equal values differ by rounding only.
            return 0.0
        return self.clusters / (self.clusters - 1) * residuals / self.items**2

    @property
    def is_clustered(self) -> bool:
        """Tell whether some cluster has more than one item."""
        return self.clusters != self.items


def sum_items(values: Iterable[float]) -> ItemSums:
    """Return the sums of values whose items are clusters of their own.

    Args:
        values: One an item, finite; read once.
    """
    rest = iter(values)
    sums = ItemSums()
    # Each block is summed exactly, so that what is left of the rounding does not grow with the number of items.
    while block := list(islice(rest, _BLOCK)):
        total = math.fsum(block)
        losses = -math.fsum(value for value in block if value < 0)
        squares = math.fsum(value * value for value in block)
        sums += ItemSums(len(block), len(block), total, squares, total, len(block), total + losses, losses)
    return sums


def sum_by_cluster(values: Iterable[tuple[Hashable, float]]) -> ItemSums:
    """Return the sums of values in named clusters; memory grows with the number of clusters only.

    Args:
        values: The cluster and the value of each item, finite; read once.
    """
    sums: dict[Hashable, float] = {}
    sizes: Counter[Hashable] = Counter()
    gains = losses = 0.0
    for cluster, value in values:
        sums[cluster] = sums.get(cluster, 0.0) + value
        sizes[cluster] += 1
        if value > 0:
            gains += value
        else:
            losses -= value
    return ItemSums(
        items=sizes.total(),
        clusters=len(sums),
        total=math.fsum(sums.values()),
        squares=math.fsum(each * each for each in sums.values()),
        products=math.fsum(each * sizes[cluster] for cluster, each in sums.items()),
        squared_sizes=sum(size * size for size in sizes.values()),
        gains=gains,
        losses=losses,
    )
