"""Several tests at once."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that one false rejection among all of them is as rare as among one.

    Args:
        p_values: 0 to 1, in any order.

    Returns:
        The adjusted ones in the same order; each is compared with the level itself.

    Raises:
        ValueError: A p-value is not between 0 and 1.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values must be between 0 and 1, got {list(p_values)!r}")
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = largest
    return adjusted
