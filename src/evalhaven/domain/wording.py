"""Counts and names within sentences for people."""

from collections.abc import Sequence

_MOST_NAMES = 5
_TENTH, _HUNDREDTH = 0.05, 0.005  # what is rounded up to a tenth, and to a hundredth


def counted(count: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun: `1 item`, `1,318 items`.

    Args:
        count: The number.
        one: The noun, perhaps with its verb: `item has`.
        more: Its plural; by default with an s at the end.
    """
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def in_points(rate: float) -> str:
    """Return a margin or another round difference of rates: `1 point`, `0.5 points`."""
    shown = f"{100 * rate:g}"
    return f"{shown} {'point' if shown == '1' else 'points'}"


def signed_points(difference: float) -> str:
    """Return a difference of rates in points with its sign, without the unit; a small one has more digits."""
    size = abs(100 * difference)
    digits = 1 if size >= _TENTH or not size else 2 if size >= _HUNDREDTH else 3
    return f"{100 * difference:+.{digits}f}"


def listed(names: Sequence[str]) -> str:
    """Return names in quotes; of many, the first ones and how many there are beside."""
    shown = ", ".join(map(repr, names[:_MOST_NAMES]))
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown
