"""Option values that are checked here, with an error that says what is expected."""

from math import isfinite

import typer

_SHORTEST_S = 0.1


def parse_seconds(text: str) -> float:
    """Return a duration in seconds.

    Raises:
        typer.BadParameter: The text is not a number, or the duration is shorter than a tenth of a second.
    """
    seconds = _number(text)
    if seconds is None or seconds < _SHORTEST_S:
        raise typer.BadParameter(f"{text!r} is not a number of seconds from {_SHORTEST_S} up, such as 5 or 0.5.")
    return seconds


def parse_rate(text: str) -> float:
    """Return a share of a whole.

    Raises:
        typer.BadParameter: The text is not a number from 0 to 1.
    """
    rate = _number(text)
    if rate is None or not 0 <= rate <= 1:
        raise typer.BadParameter(f"{text!r} is not a number from 0 to 1, such as 0.9 for 90 %.")
    return rate


def metadata_of(pairs: list[str] | None) -> dict[str, str]:
    """Return metadata by key.

    Raises:
        typer.BadParameter: A pair is written in another way.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{pair!r} must be a key and its value with = between, such as release=1.4.")
        found[key] = value
    return found


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None
