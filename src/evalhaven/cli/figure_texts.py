"""How numbers, times and names are written for people."""

from collections.abc import Mapping
from math import floor

from evalhaven.domain.wording import counted

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_SHOWN_CHARS = 200
_SLOW_PER_S = 0.1
_FAST_PER_S = 100


def make_printable(text: str) -> str:
    """Return a text without control characters: names and messages may come from anybody."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def format_counts(counts: Mapping[str, int], most: int) -> str:
    """Return names with their counts, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    shown = [f"{cut_text(name)} {count:,}" for name, count in ordered[:most]]
    more = len(ordered) - most
    return ", ".join([*shown, counted(more, "more kind")] if more > 0 else shown)


def cut_text(text: str) -> str:
    """Return the beginning of a text, made printable."""
    shown = make_printable(text[: _SHOWN_CHARS + 1])
    return shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}…"


def format_rate(per_s: float) -> str:
    """Return a rate in the unit that suits it."""
    if 0 < per_s < _SLOW_PER_S:
        return f"{per_s * _MINUTE_S:,.2f} items/min"
    return f"{per_s:,.0f} items/s" if per_s >= _FAST_PER_S else f"{per_s:,.1f} items/s"


def format_share(part: float, whole: float) -> str:
    """Return a part in per cent, rounded down: 999,999 of a million is not yet 100 %."""
    return f"{floor(part * 1000 / whole) / 10} %"


def format_duration(seconds: float | None) -> str:
    """Return a duration as `minutes:seconds`, with hours and days if it is that long; `-` for None."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    days, rest = divmod(whole, _DAY_S)
    hours, rest = divmod(rest, _HOUR_S)
    minutes, rest = divmod(rest, _MINUTE_S)
    if days:
        return f"{days} d {hours}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_seconds(seconds: float) -> str:
    """Return a duration, a short one to a tenth of a second."""
    return f"{seconds:,.1f} s" if seconds < _MINUTE_S else format_duration(seconds)


def format_milliseconds(milliseconds: float | None) -> str:
    """Return milliseconds; `-` for None."""
    return "-" if milliseconds is None else f"{milliseconds:,.0f} ms"


def format_times(count: int) -> str:
    """Return how many times something happened."""
    return "once" if count == 1 else f"{count:,} times"
