"""A comparison of two runs as one file."""

from collections.abc import Mapping, Sequence
from typing import Any

from evalhaven.api.html_report.charts import difference_chart, rate_chart
from evalhaven.api.html_report.elements import Content, Markup, element, together
from evalhaven.api.html_report.examples import LONGEST_TEXT
from evalhaven.api.html_report.tables import BAR, NARROW, RIGHT, facts, figures, note, scale, section, table
from evalhaven.api.html_report.texts import json_text, method, moment, outcome, percent, points, shortened
from evalhaven.domain.wording import counted
from evalhaven.wire.comparisons import ComparedRun, Difference, RunComparison

_PAIRED = {
    "content": "paired by their content",
    "fields": "paired by the fields that were named",
    "position": "paired by position",
}
_TITLES = {"regressed": "Regressed", "fixed": "Fixed"}


def comparison_body(
    baseline: ComparedRun, one: RunComparison, margin: float | None, flipped: Mapping[str, Sequence[Any]]
) -> Markup:
    """Return the content of a comparison's page.

    Args:
        baseline: What the run is compared with.
        one: The comparison.
        margin: How much worse the run may be, as the request said.
        flipped: Some items that regressed, and some that were fixed, as the list of compared items shows them.
    """
    return together(
        element("h1", {}, f"{_name(one.candidate)} against {_name(baseline)}"),
        _runs(baseline, one.candidate),
        _verdict(one, margin),
        _counts(one),
        _criteria(one),
        _warnings(one),
        *(_flipped(one, change, items) for change, items in flipped.items() if items),
        note(f"Texts of more than {LONGEST_TEXT:,} characters are shortened.") if any(flipped.values()) else None,
    )


def _name(run: ComparedRun) -> str:
    return run.name or run.run_id


def _runs(baseline: ComparedRun, candidate: ComparedRun) -> Markup:
    rows: list[list[Content]] = [
        [
            role,
            _name(run),
            element("code", {}, run.run_id),
            run.model or "-",
            run.status,
            f"{run.items:,}",
            moment(run.created_at),
        ]
        for role, run in (("baseline", baseline), ("run", candidate))
    ]
    names = ("", "name", "id", "model", "status", "items", "created")
    return table([(name, RIGHT if name in ("items", "created") else None) for name in names], rows)


def _verdict(one: RunComparison, margin: float | None) -> Markup:
    difference = one.difference
    paired = "not paired: only the rates are compared" if one.paired_by is None else _PAIRED[one.paired_by]
    seen = (
        "no difference can be seen"
        if difference.visible is None
        else f"{100 * difference.visible:.1f} points can be seen"
    )
    how = f"{counted(difference.items, 'item')}, {paired}; {seen}. 95 % interval: {method(difference.method)}"
    p = "." if difference.p is None else f"; p = {difference.p:.3g}."
    dashed = f" Dashed: the margin of {points(-margin)}." if margin else ""
    text = element(
        "div", {}, element("p", {"class": "say"}, one.sentence), element("p", {"class": "note"}, f"{how}{p}{dashed}")
    )
    return element("section", {"class": "verdict"}, text, element("figure", {}, difference_chart(difference, margin)))


def _counts(one: RunComparison) -> Markup:
    counts = one.counts
    return figures(
        [
            ("Fixed", f"{counts.fixed:,}", "", "passes only in the run"),
            ("Regressed", f"{counts.regressed:,}", "", "passes only in the baseline"),
            ("Passed", f"{counts.passed:,}", "", "in both"),
            ("Failed", f"{counts.failed:,}", "", "in both"),
            ("Errors", outcome("error", f"{counts.errored:,}") if counts.errored else "0", "", "in one or both"),
            ("Missing, new", f"{counts.missing:,}, {counts.new:,}", "", "in one run only"),
        ]
    )


def _criteria(one: RunComparison) -> Markup:
    rows = [_row(each.name, each) for each in one.criteria]
    whole = [
        "all",
        percent(one.baseline_rate.value),
        percent(one.candidate_rate.value),
        rate_chart("all", one.candidate_rate, one.baseline_rate),
        *_difference(one.difference),
        f"{one.counts.fixed:,}",
        f"{one.counts.regressed:,}",
        _words(one.difference),
    ]
    heads: Sequence[tuple[Content, str | None]] = [
        ("criterion", None),
        ("baseline, %", RIGHT),
        ("run, %", RIGHT),
        (scale(), BAR),
        ("points", RIGHT),
        ("95 % interval", NARROW),
        ("fixed", RIGHT),
        ("regressed", RIGHT),
        ("verdict", None),
    ]
    told = note("Rates over the items with a result in both runs. Circle: the baseline.")
    return section("Criteria", told, table(heads, [*rows, whole], sums=1))


def _row(name: str, criterion: Any) -> list[Content]:
    return [
        name,
        percent(criterion.baseline.value),
        percent(criterion.candidate.value),
        rate_chart(name, criterion.candidate, criterion.baseline),
        *_difference(criterion.difference),
        f"{criterion.counts.fixed:,}",
        f"{criterion.counts.regressed:,}",
        _words(criterion.difference),
    ]


def _difference(difference: Difference) -> list[Content]:
    low, high = difference.low, difference.high
    if low is None or high is None:
        return [points(difference.value), "-"]
    kind, glyph = ("up", "▲") if low > 0 else ("down", "▼") if high < 0 else ("even", "≈")
    shown = element(
        "b", {"class": kind}, element("span", {"aria-hidden": "true"}, f"{glyph} "), points(difference.value)
    )
    return [shown, f"{points(low)} to {points(high)}"]


def _words(difference: Difference) -> str:
    return difference.verdict.replace("_", " ")


def _warnings(one: RunComparison) -> Markup | None:
    if not one.warnings:
        return None
    told = [element("li", {}, warning.message) for warning in one.warnings]
    return section("What makes this less than it seems", element("ul", {"class": "gaps"}, *told))


def _flipped(one: RunComparison, change: str, items: Sequence[Any]) -> Markup:
    count = one.counts.fixed if change == "fixed" else one.counts.regressed
    of_all = f"{len(items):,} of {count:,}" if count > len(items) else f"{len(items):,}"
    shown = [_item(each) for each in items]
    return section(f"{_TITLES[change]}: {of_all}", *shown)


def _item(item: Mapping[str, Any]) -> Markup:
    told: dict[str, Content] = {"item": shortened(json_text(item["item"]), LONGEST_TEXT)}
    for name, side in (("baseline", "baseline"), ("run", "candidate")):
        samples = item[side]
        told[name] = together(*(element("div", {}, _sample(sample)) for sample in samples)) if samples else "-"
    return element("div", {"class": "item"}, facts(told, None))


def _sample(sample: Mapping[str, Any]) -> Markup:
    error = sample["error"]
    text = f"{error['code']}: {error['message']}" if error is not None else sample["output_text"] or "-"
    return outcome(sample["status"], shortened(text, LONGEST_TEXT))
