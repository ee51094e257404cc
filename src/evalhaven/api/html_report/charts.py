"""Charts as inline SVG: rates, differences, histograms. Each is a picture with a sentence; its numbers stand beside."""

from collections.abc import Sequence

from evalhaven.api.html_report.elements import Markup, element
from evalhaven.api.html_report.texts import number, percent, points
from evalhaven.wire.comparisons import Difference
from evalhaven.wire.reports import ReportHistogram, ReportRate

_WIDTH, _LEFT, _RIGHT = 360.0, 0.0, 360.0
_BIN_TOP, _BIN_BOTTOM = 14.0, 96.0
_FEWEST_POINTS = 0.02
_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
_MOST_MARKS = 5


def rate_chart(name: str, rate: ReportRate, other: ReportRate | None = None, *, is_partial: bool = False) -> Markup:
    """Return a rate on a track from 0 to 100: its share, its interval as a bar, itself as a tick.

    Args:
        name: What it is the rate of.
        rate: The rate.
        other: Another rate to show beside it, as a hollow circle.
        is_partial: Whether it may still change.
    """
    track = element("rect", {"class": "track", "y": "4", "width": "100%", "height": "10"})
    if rate.value is None:
        return element("svg", {"height": "18", "role": "img", "aria-label": f"{name}: no rate"}, track)
    told = f"{name}: {percent(rate.value)} percent"
    marks: list[Markup] = [
        element("rect", {"class": "share", "y": "4", "width": _per_cent(rate.value), "height": "10"})
    ]
    if rate.low is not None and rate.high is not None:
        told += f", interval {percent(rate.low)} to {percent(rate.high)}"
        size = {"x": _per_cent(rate.low), "width": _per_cent(rate.high - rate.low)}
        marks.append(element("rect", {"class": "range", "y": "6.5", "height": "5", **size}))
    if other is not None and other.value is not None:
        told += f", baseline {percent(other.value)}"
        marks.append(element("circle", {"class": "other", "cx": _per_cent(other.value), "cy": "9", "r": "3.5"}))
    place = {"x1": _per_cent(rate.value), "x2": _per_cent(rate.value)}
    marks.append(element("line", {"class": "tick", "y1": "1", "y2": "17", **place}))
    group = element("g", {"class": "is-partial" if is_partial else None}, *marks)
    return element("svg", {"height": "18", "role": "img", "aria-label": told}, track, group)


def difference_chart(difference: Difference, margin: float | None) -> Markup:
    """Return a difference around zero, its interval as a bar; a dashed line is the margin."""
    known = [0.0, difference.value, difference.low or 0.0, difference.high or 0.0, -(margin or 0.0)]
    low, high = min(known), max(known)
    spare = max(_FEWEST_POINTS, (high - low) * 0.15)
    low, high = max(-1.0, low - spare), min(1.0, high + spare)

    def x(value: float) -> float:
        return round(_LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT), 1)

    marks: list[Markup] = [element("line", {"class": "axis", "x1": _LEFT, "x2": _RIGHT, "y1": 42.0, "y2": 42.0})]
    for value in _marks(low, high):
        marks.append(element("line", {"class": "axis", "x1": x(value), "x2": x(value), "y1": 42.0, "y2": 46.0}))
        marks.append(element("text", {"x": x(value), "y": 59.0, "text-anchor": "middle"}, _round_points(value)))
    marks.append(element("line", {"class": "zero", "x1": x(0), "x2": x(0), "y1": 6.0, "y2": 42.0}))
    if margin:
        marks.append(element("line", {"class": "margin", "x1": x(-margin), "x2": x(-margin), "y1": 6.0, "y2": 42.0}))
    told = f"Difference {points(difference.value)} points"
    kind = "even"
    if difference.low is not None and difference.high is not None:
        told += f", 95 percent interval {points(difference.low)} to {points(difference.high)}"
        kind = "up" if difference.low > 0 else "down" if difference.high < 0 else "even"
        width = max(1.0, x(difference.high) - x(difference.low))
        marks.append(
            element("rect", {"class": "range", "x": x(difference.low), "y": 22.0, "width": width, "height": 8.0})
        )
    place = {"x1": x(difference.value), "x2": x(difference.value)}
    marks.append(element("line", {"class": "tick", "y1": 17.0, "y2": 35.0, **place}))
    label = {"class": "st", "x": x(difference.value), "y": 13.0, "text-anchor": "middle"}
    marks.append(element("text", label, points(difference.value)))
    group = element("g", {"class": f"is-{kind}"}, *marks)
    return element("svg", {"viewBox": "0 0 360 64", "role": "img", "aria-label": told}, group)


def histogram_chart(name: str, histogram: ReportHistogram) -> Markup:
    """Return how many scores lie in each of equally wide bins."""
    most = max(histogram.counts, default=0) or 1
    count = len(histogram.counts) or 1
    width = (_RIGHT - _LEFT) / count
    bins: list[Markup] = []
    for index, each in enumerate(histogram.counts):
        # What is there is seen, however little it is.
        height = max(1.0 if each else 0.0, round((_BIN_BOTTOM - _BIN_TOP) * each / most, 1))
        place = {"x": round(_LEFT + index * width + 0.5, 1), "width": round(width - 1, 1)}
        bins.append(element("rect", {"class": "bin", "y": _BIN_BOTTOM - height, "height": height, **place}))
    axis = element("line", {"class": "axis", "x1": _LEFT, "x2": _RIGHT, "y1": _BIN_BOTTOM, "y2": _BIN_BOTTOM})
    middle = (histogram.low + histogram.high) / 2
    ends = [
        element("text", {"x": x, "y": _BIN_BOTTOM + 16, "text-anchor": anchor}, number(value))
        for x, anchor, value in (
            (_LEFT, "start", histogram.low),
            (_WIDTH / 2, "middle", middle),
            (_RIGHT, "end", histogram.high),
        )
    ]
    top = element("text", {"x": _LEFT, "y": 10.0}, f"highest bin: {most:,}")
    told = f"Scores of {name}, {number(histogram.low)} to {number(histogram.high)}: {_list(histogram.counts)} items"
    return element("svg", {"viewBox": "0 0 360 116", "role": "img", "aria-label": told}, *bins, axis, *ends, top)


def _per_cent(share: float) -> str:
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def _marks(low: float, high: float) -> list[float]:
    """Return round values between two."""
    step = next((each for each in _STEPS if (high - low) / each <= _MOST_MARKS), _STEPS[-1])
    first = int(low / step) - 1
    values = [round(step * (first + n), 4) for n in range(2 * _MOST_MARKS + 3)]
    return [value for value in values if low <= value <= high]


def _round_points(value: float) -> str:
    return "0" if not value else f"{100 * value:+g}".replace("-", "\N{MINUS SIGN}")


def _list(counts: Sequence[int]) -> str:
    return ", ".join(str(count) for count in counts)
