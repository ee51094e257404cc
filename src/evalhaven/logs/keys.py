"""Keys of logged calls: numbers that grow with the time of creation, then with the order of arrival.

A key holds the day since 1970, the second of the day, and a number that tells the calls of a second apart:
`day << 41 | second << 24 | number`. So a range of times is a range of keys.
"""

from datetime import date, timedelta

NUMBER_BITS = 24
LARGEST_KEY = (1 << 63) - 1
_SECOND_BITS = 17
_DAY_BITS = NUMBER_BITS + _SECOND_BITS
_DAY_S = 86_400
_EPOCH = date(1970, 1, 1)
_LAST_DAY = (date.max - _EPOCH).days


def day_of(second: int) -> int:
    """Return the day of a Unix second; what lies before 1970 or after 9999 belongs to the nearest day."""
    return min(max(second, 0) // _DAY_S, _LAST_DAY)


def first_key(second: int) -> int:
    """Return the smallest key that a call of this Unix second can have."""
    return day_of(second) << _DAY_BITS | second_of_day(second) << NUMBER_BITS


def last_key(second: int) -> int:
    """Return the largest key that a call of this Unix second can have."""
    return first_key(second) | (1 << NUMBER_BITS) - 1


def keys_of_day(day: int) -> tuple[int, int]:
    """Return the smallest and the largest key of a day."""
    return day << _DAY_BITS, (day + 1 << _DAY_BITS) - 1


def second_of_day(second: int) -> int:
    """Return the second within its day."""
    return max(second, 0) % _DAY_S


def parts_of(key: int) -> tuple[int, int, int]:
    """Return day, second of the day and number of a key."""
    return key >> _DAY_BITS, key >> NUMBER_BITS & (1 << _SECOND_BITS) - 1, key & (1 << NUMBER_BITS) - 1


def day_text(day: int) -> str:
    """Return a day as `2026-11-28`."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def day_of_text(text: str) -> int:
    """Return the day that a text like `2026-11-28` names.

    Raises:
        ValueError: It names none.
    """
    return (date.fromisoformat(text) - _EPOCH).days
