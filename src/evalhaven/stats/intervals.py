"""Confidence intervals for pass rates."""

import math
from statistics import NormalDist


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval for a proportion, without continuity correction.

    Unlike the interval that textbooks start with (rate plus or minus 1.96 standard errors), it stays inside
    [0, 1] and keeps its width near 0 and 1 and for small samples, where most pass rates lie.

    Args:
        successes: How many of the trials succeeded, 0 to `total`.
        total: How many trials there were. None at all says nothing: (0.0, 1.0).
        confidence: The share of intervals that contain the true proportion, between 0 and 1, both excluded.

    Returns:
        The lower and the upper bound; exactly 0.0 without a success, exactly 1.0 without a failure.

    Raises:
        ValueError: The counts are negative, there are more successes than trials, or the confidence is
            not between 0 and 1.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22;
        method 3 in Newcombe 1998, "Two-sided confidence intervals for the single proportion", Stat. Med. 17.
    """
    if not 0 <= successes <= total:
        raise ValueError(f"successes must be between 0 and total, got {successes!r} of {total!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, both excluded, got {confidence!r}")
    if total == 0:
        return 0.0, 1.0
    # The lower tail, since 1 - tail rounds to 1.0, where inv_cdf is not defined, for extreme confidences.
    z = -NormalDist().inv_cdf((1 - confidence) / 2)
    rate = successes / total
    shrink = 1 + z**2 / total
    centre = (rate + z**2 / (2 * total)) / shrink
    half_width = z / shrink * math.sqrt(rate * (1 - rate) / total + (z / (2 * total)) ** 2)
    # At the extremes the bounds are 0 and 1 by algebra, which rounding would miss by one unit.
    low = 0.0 if successes == 0 else max(0.0, centre - half_width)
    high = 1.0 if successes == total else min(1.0, centre + half_width)
    return low, high
