"""Cosine of two embeddings: their scalar product over the product of their lengths."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def cosine(first: "NDArray[np.float32]", second: "NDArray[np.float32]") -> float:
    """Return the cosine of two vectors that are not zero; negative ones count as 0.

    Args:
        first: A vector.
        second: Another of the same length.
    """
    one, other = first.astype("float64"), second.astype("float64")
    length = float(one @ one) * float(other @ other)
    return min(1.0, max(0.0, float(one @ other) / length**0.5))
