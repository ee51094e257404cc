"""Distributions that the standard library does not have: Student's t, beta and the binomial's tail."""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_MOST_TERMS = 100_000
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def normal_cdf(x: float) -> float:
    """Return the share of a standard normal distribution below `x`, exact in the lower tail too."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


@lru_cache(maxsize=256)
def critical_value(tail: float, degrees: float | None = None) -> float:
    """Return the value that a standard normal or Student's t variable exceeds with a given probability.

    Args:
        tail: That probability, above 0 and at most 0.5.
        degrees: Degrees of freedom of Student's t, above 0; None: the normal distribution.

    Returns:
        The value, at least 0.

    Raises:
        ValueError: The tail or the degrees are out of range.

    Source: the start is the expansion 26.7.5 in Abramowitz, Stegun 1964, "Handbook of Mathematical Functions";
        Newton's method does the rest.
    """
    if not 0 < tail <= 0.5:  # noqa: PLR2004 - half of a symmetric distribution
        raise ValueError(f"tail must be above 0 and at most 0.5, got {tail!r}")
    if tail == 0.5:  # noqa: PLR2004 - the median
        return 0.0
    normal = -NormalDist().inv_cdf(tail)
    if degrees is None:
        return normal
    if not degrees > 0:
        raise ValueError(f"degrees must be above 0, got {degrees!r}")
    value = normal + (normal**3 + normal) / (4 * degrees)
    for _ in range(200):
        # The tail is convex: from any start the second step is on the left of the root, and the rest climb to it.
        step = (student_tail(value, degrees) - tail) / _student_density(value, degrees)
        value = max(value + step, value / 2)
        if abs(step) <= 1e-14 * value:
            break
    return value


def student_tail(t: float, degrees: float) -> float:
    """Return the probability that Student's t exceeds `t`.

    Args:
        t: Any number.
        degrees: Degrees of freedom, above 0.

    Source: 26.7.1 with 26.5.27 in Abramowitz, Stegun 1964.
    """
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    square = t * t
    beyond = 0.5 * _beta_below(degrees / 2, 0.5, degrees / (degrees + square), square / (degrees + square))
    return beyond if t >= 0 else 1 - beyond


def below(statistic: float, degrees: float | None) -> float:
    """Return the share of Student's t (None: of the normal distribution) below a statistic."""
    return normal_cdf(statistic) if degrees is None else student_tail(-statistic, degrees)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the share of a beta distribution below `x`: the regularised incomplete beta function.

    Args:
        x: 0 to 1.
        a: First shape, above 0.
        b: Second shape, above 0.

    Source: the continued fraction 26.5.8 in Abramowitz, Stegun 1964, evaluated by Lentz's method as in Thompson,
        Barnett 1986, J. Comput. Phys. 64; its factor by Loader 2000, "Fast and accurate computation of binomial
        probabilities".
    """
    return _beta_below(a, b, x, 1 - x)


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return the number below which a share of a beta distribution lies.

    Args:
        share: 0 to 1, both excluded.
        a: First shape, above 0.
        b: Second shape, above 0.
    """
    return bisect(lambda x: beta_cdf(x, a, b) < share, 0.0, 1.0)


def fair_coin_tail(heads: int, tosses: int) -> tuple[float, float]:
    """Return how likely a fair coin shows at most that many heads, and how likely it shows exactly as many.

    Args:
        heads: 0 to half of `tosses`.
        tosses: At least 1.

    Source: 26.5.24 in Abramowitz, Stegun 1964: the tail of a binomial is an incomplete beta function.
    """
    exactly = _binomial_density(heads, tosses - heads, 0.5, 0.5)
    return _beta_below(tosses - heads, heads + 1, 0.5, 0.5), exactly


def bisect(is_low: Callable[[float], bool], low: float, high: float) -> float:
    """Return where `is_low` turns from true to false between two numbers, to the last digits of a double."""
    while True:
        middle = (low + high) / 2
        if high - low <= 1e-15 + 1e-14 * abs(middle):
            return middle
        if is_low(middle):
            low = middle
        else:
            high = middle


def _student_density(t: float, degrees: float) -> float:
    whole = degrees + t * t
    # x**a * (1 - x)**b / B(a, b) with x = degrees / whole, a = degrees / 2, b = 1/2, less the factor t.
    return _power(degrees / 2, 0.5, degrees / whole, t * t / whole) / t


def _beta_below(a: float, b: float, x: float, rest: float) -> float:
    """Return the incomplete beta function; `rest` is 1 - x, which a caller may know more exactly."""
    if x <= 0:
        return 0.0
    if rest <= 0:
        return 1.0
    factor = _power(a, b, x, rest)
    if x < (a + 1) / (a + b + 2):
        return factor * _fraction(a, b, x) / a
    return 1 - factor * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, _inverse(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = _inverse(1 + term * d)
        c = 1 + term / (c or _TINY)
        value *= d * c
        term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = _inverse(1 + term * d)
        c = 1 + term / (c or _TINY)
        value *= d * c
        if abs(d * c - 1) < 1e-16:  # noqa: PLR2004 - nothing changes any more
            break
    return value


def _inverse(number: float) -> float:
    return 1 / (number or _TINY)


def _power(a: float, b: float, x: float, rest: float) -> float:
    """Return x**a * (1 - x)**b / B(a, b)."""
    return a * b / (a + b) * _binomial_density(a, b, x, rest)


def _binomial_density(a: float, b: float, x: float, rest: float) -> float:
    """Return the binomial probability of `a` successes and `b` failures, which need not be whole; `b` is above 0."""
    n = a + b
    if a == 0:
        return math.exp(n * math.log(rest))
    error = _stirling_error(n) - _stirling_error(a) - _stirling_error(b)
    return math.exp(error - _deviance(a, n * x) - _deviance(b, n * rest)) * math.sqrt(n / (2 * math.pi * a * b))


def _stirling_error(n: float) -> float:
    """Return log(n!) less Stirling's approximation."""
    if n <= 15:  # noqa: PLR2004 - Loader's limit
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - _HALF_LOG_2PI
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / n


def _deviance(x: float, expected: float) -> float:
    """Return x * log(x / expected) + expected - x without losing digits where both are nearly equal."""
    difference = x - expected
    if abs(difference) >= 0.1 * (x + expected):
        return x * math.log(x / expected) - difference
    v = difference / (x + expected)
    value, term = difference * v, 2 * x * v
    for j in range(1, 1000):
        term *= v * v
        following = value + term / (2 * j + 1)
        if following == value:
            break
        value = following
    return value
