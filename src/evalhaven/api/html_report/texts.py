"""How figures are written for people."""

import json
from datetime import UTC, datetime
from typing import Any

from evalhaven.api.html_report.elements import Content, Markup, element, together

_MINUS = "\N{MINUS SIGN}"
_SECOND_MS = 1000
_METHODS = {"wilson": "Wilson", "wilson_effective_size": "Wilson, at the effective size of the repeats"}
_GLYPHS = {"pass": "\N{CHECK MARK}", "fail": "\N{MULTIPLICATION X}", "error": "!"}
_WORDS = {"pass": "passed", "fail": "failed", "error": "error"}


def percent(value: float | None) -> str:
    """Return a rate in per cent, without the sign; a dash for None."""
    return "-" if value is None else f"{100 * value:.1f}"


def points(value: float) -> str:
    """Return a difference of rates in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", _MINUS)


def number(value: float | None) -> str:
    """Return a figure with as many digits as help; a dash for None."""
    if value is None:
        return "-"
    shown = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:,.4g}"  # noqa: PLR2004
    return shown.replace("-", _MINUS)


def milliseconds(value: float | None) -> str:
    """Return a duration; a dash for None."""
    if value is None:
        return "-"
    return f"{value:,.0f} ms" if value < _SECOND_MS else f"{value / _SECOND_MS:,.2f} s"


def dollars(value: float | None) -> str:
    """Return an amount; a dash for None."""
    if value is None:
        return "-"
    return f"${value:,.2f}" if value >= 1 or not value else f"${value:,.4f}"


def moment(at: int | None) -> str:
    """Return a Unix second; a dash for None."""
    return "-" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def interval(low: float | None, high: float | None) -> str:
    """Return the limits of a rate in per cent; a dash without any."""
    return "-" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def method(name: str) -> str:
    """Return the name of a method in words."""
    return _METHODS.get(name, name.replace("_", " ").capitalize())


def shown_value(value: object) -> str:
    """Return the value of a field; None is an item without it."""
    return "(none)" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def json_text(value: Any, *, in_lines: bool = False) -> str:
    """Return JSON, on one line or on several."""
    return json.dumps(value, ensure_ascii=False, indent=2 if in_lines else None)


def shortened(text: str, most: int) -> Markup:
    """Return the beginning of a text, and say how much is left out."""
    if len(text) <= most:
        return together(text)
    return together(text[:most], "… ", element("span", {"class": "note"}, f"({len(text) - most:,} more characters)"))


def outcome(status: str, *told: Content) -> Markup:
    """Return the glyph of an outcome with what is told of it; screen readers say its word."""
    glyph = element("b", {"aria-hidden": "true"}, _GLYPHS[status])
    word = element("span", {"class": "vh"}, f"{_WORDS[status]} ")
    return element("span", {"class": status}, glyph, word, *told)
