"""Facts about charts: whatever the figures are, what is drawn stays within its picture."""

import re

import pytest

from evalhaven.api.html_report.charts import difference_chart, histogram_chart, rate_chart
from evalhaven.api.html_report.elements import element
from evalhaven.wire.comparisons import Difference
from evalhaven.wire.reports import ReportHistogram, ReportRate

_PLACES = re.compile(r' (?:x|x1|x2|cx)="([^"]+)"')


def difference(value: float, low: float | None, high: float | None) -> Difference:
    return Difference(
        value=value, low=low, high=high, items=20, p=None, method="tango", visible=None, verdict="undecided",
        reason=None, p_exact=None, newcombe=None, items_needed=None, items_if_true=None,
    )  # fmt: skip


@pytest.mark.parametrize("margin", [None, 0, 0.01, 0.9])
@pytest.mark.parametrize(
    ("value", "low", "high", "kind"),
    [
        (0, 0, 0, "even"),
        (0, None, None, "even"),
        (1, 0.68, 1, "up"),
        (-1, -1, -0.68, "down"),
        (0.002, -0.001, 0.005, "even"),
        (0, -1, 1, "even"),
    ],
)
def test_a_difference_is_drawn_within_its_picture_in_the_colour_of_what_is_known(
    value: float, low: float | None, high: float | None, kind: str, margin: float | None
) -> None:
    drawn = difference_chart(difference(value, low, high), margin).text

    assert all(0 <= float(place) <= 360 for place in _PLACES.findall(drawn))
    assert f'class="is-{kind}"' in drawn
    assert drawn.count('class="tick"') == 1
    assert ('class="margin"' in drawn) == bool(margin)
    assert ">0</text>" in drawn


@pytest.mark.parametrize(("value", "low", "high"), [(0, 0, 0.16), (1, 0.84, 1), (0.5, None, None)])
def test_a_rate_is_drawn_between_0_and_100(value: float, low: float | None, high: float | None) -> None:
    rate = ReportRate(value=value, low=low, high=high, items=20, method="wilson", thin=True)
    drawn = rate_chart("a", rate, rate).text

    assert all(0 <= float(place.rstrip("%")) <= 100 for place in _PLACES.findall(drawn))
    assert ("interval" in drawn) == (low is not None)


def test_a_rate_that_is_not_known_has_no_tick() -> None:
    nothing = ReportRate(value=None, low=None, high=None, items=0, method="wilson", thin=True)

    assert "tick" not in rate_chart("a", nothing).text


def test_a_bin_with_few_scores_is_seen_beside_one_with_many() -> None:
    drawn = histogram_chart("a", ReportHistogram(low=-1e9, high=1e9, counts=[1_000_000, 1, 0])).text
    heights = [float(each) for each in re.findall(r'height="([0-9.]+)" x=', drawn)]

    assert heights == [82.0, 1.0, 0.0]


def test_texts_and_attributes_are_escaped_and_elements_are_not() -> None:
    built = element("p", {"title": '"<', "id": None}, "<b>", element("b", {}, "&"), None, 3)

    assert built.text == '<p title="&quot;&lt;">&lt;b&gt;<b>&amp;</b>3</p>'
