"""The parts of a run's report, each from the report alone."""

from collections.abc import Callable, Sequence

from evalhaven.api.html_report.charts import histogram_chart, rate_chart
from evalhaven.api.html_report.elements import Content, Markup, element, together
from evalhaven.api.html_report.tables import BAR, NARROW, RIGHT, figures, note, scale, section, table
from evalhaven.api.html_report.texts import (
    dollars,
    interval,
    method,
    milliseconds,
    number,
    outcome,
    percent,
    shortened,
    shown_value,
)
from evalhaven.domain.wording import counted
from evalhaven.wire.reports import ReportBreakdown, ReportCriterion, ReportRate, ReportSpread, RunReport

_MOST_ROWS = 30
_LONGEST_MESSAGE = 300
_RATE_HEADS: Sequence[tuple[Content, str | None]] = (
    ("passed", RIGHT),
    ("failed", RIGHT),
    ("errors", RIGHT),
    (scale(), BAR),
    ("rate, %", RIGHT),
    ("95 % interval", NARROW),
)


def unit_of(report: RunReport) -> str:
    """Return what a report counts: several samples of an item are no items of their own."""
    return "item" if report.repeats is None else "sample"


def verdict(report: RunReport, *, is_partial: bool) -> Markup:
    """Return what the run comes to, as a sentence and as a picture."""
    rate = report.rate
    graded = report.passed + report.failed
    if rate.value is None:
        said = f"No {unit_of(report)} has a result{' so far' if is_partial else ''}."
    else:
        begin = "So far, " if is_partial else ""
        likely = "" if rate.low is None else f", likely {interval(rate.low, rate.high)}"
        what = f"{report.passed:,} of {counted(graded, unit_of(report))} passed"
        if report.repeats is not None:
            what += ", the mean over items is"
        said = f"{begin}{what}{'' if report.repeats else ':'} {percent(rate.value)} %{likely}."
    how: list[Content] = [f"95 % interval: {method(rate.method)}." if rate.low is not None else "There is no interval."]
    if report.errored:
        how.append(f" {counted(report.errored, unit_of(report))} without a result: not part of the rate.")
    if is_partial:
        planned = (
            f"an unknown number of {unit_of(report)}s"
            if report.items_planned is None
            else counted(report.items_planned, unit_of(report))
        )
        how.append(f" Partial: {report.items:,} of {planned}.")
    elif rate.thin:
        how.append(" Thin data: fewer than 30 items.")
    shown = rate_chart("All criteria", rate, is_partial=is_partial)
    text = element("div", {}, element("p", {"class": "say"}, said), element("p", {"class": "note"}, *how))
    return element("section", {"class": "verdict"}, text, element("figure", {}, scale(), shown))


def main_figures(report: RunReport) -> Markup:
    """Return the figures that everybody looks for first."""
    latency, tokens = report.latency_ms, report.tokens
    errors = f"{100 * report.errored / report.items:.1f} % of all" if report.items else ""
    per_item = "no price is known" if report.cost is None else ""
    if report.cost is not None and report.items:
        per_item = f"{dollars(1000 * report.cost / report.items)} per 1,000 {unit_of(report)}s"
    return figures(
        [
            ("Passed", outcome("pass", f"{report.passed:,}"), "", f"of {report.items:,}"),
            ("Failed", outcome("fail", f"{report.failed:,}"), "", f"of {report.items:,}"),
            ("Errors", _errors_of(report.errored), "", errors or "not counted as failed"),
            (
                "Latency, p50",
                milliseconds(latency.p50) if latency else "-",
                "",
                f"p95 {milliseconds(latency.p95)}" if latency else "nothing was called",
            ),
            (
                "Tokens, p50",
                number(tokens.p50) if tokens else "-",
                "",
                f"p95 {number(tokens.p95)}" if tokens else "nothing was counted",
            ),
            ("Cost", dollars(report.cost), "", per_item),
        ]
    )


def _errors_of(count: int) -> Content:
    return outcome("error", f"{count:,}") if count else "0"


def criteria(report: RunReport, *, is_partial: bool) -> Markup | None:
    """Return the rate of each criterion, and of all together."""
    if not report.criteria:
        return None
    rows: list[list[Content]] = [
        [each.name, each.type, *_rate_cells(each.name, each.passed, each.failed, each.errored, each.rate, is_partial)]
        for each in report.criteria
    ]
    counts = (report.passed, report.failed, report.errored)
    rows.append(["all", "", *_rate_cells("all", *counts, report.rate, is_partial)])
    return section("Criteria", table([("criterion", None), ("grader", None), *_RATE_HEADS], rows, sums=1))


def breakdowns(report: RunReport, *, is_partial: bool) -> list[Markup]:
    """Return the items by the values of each field that was asked for."""
    return [_breakdown(each, f"{unit_of(report)}s", is_partial) for each in report.breakdowns]


def _breakdown(breakdown: ReportBreakdown, units: str, is_partial: bool) -> Markup:
    rows: list[list[Content]] = []
    for group in breakdown.groups[:_MOST_ROWS]:
        name = shown_value(group.value)
        cells = _rate_cells(name, group.passed, group.failed, group.errored, group.rate, is_partial)
        rows.append([name, f"{group.items:,}", *cells])
    more = len(breakdown.groups) - _MOST_ROWS
    rest = note(f"{counted(more, 'smaller group')} not shown.") if more > 0 else None
    heads: Sequence[tuple[Content, str | None]] = [("value", None), (units, RIGHT), *_RATE_HEADS]
    return section(together("By ", element("code", {}, breakdown.field)), table(heads, rows), rest)


def _rate_cells(
    name: str,
    passed: int,
    failed: int,
    errored: int,
    rate: ReportRate,
    is_partial: bool,
) -> list[Content]:
    return [
        f"{passed:,}",
        f"{failed:,}",
        _errors_of(errored),
        rate_chart(name, rate, is_partial=is_partial),
        element("b", {}, percent(rate.value)),
        f"{interval(rate.low, rate.high)}{', thin' if rate.thin else ''}",
    ]


def scores(report: RunReport) -> Markup | None:
    """Return how the scores of each criterion are spread."""
    parts = [_scores_of(each) for each in report.criteria if each.scores is not None]
    return section("Scores", element("div", {"class": "two"}, *parts)) if parts else None


def _scores_of(criterion: ReportCriterion) -> Markup:
    found = criterion.scores
    if found is None:
        return together()
    limits = found.mean_interval
    likely = "" if limits is None else f", 95 % interval {number(limits[0])} to {number(limits[1])}"
    spread = "" if found.deviation is None else f", standard deviation {number(found.deviation)}"
    told = f"{counted(found.items, 'score')}, mean {number(found.mean)}{likely}{spread}"
    shown = (
        note(f"All are {number(found.low)}.")
        if found.histogram is None
        else element("figure", {}, histogram_chart(criterion.name, found.histogram))
    )
    return element("section", {}, element("h3", {}, criterion.name), note(told, "."), shown)


def labels(report: RunReport) -> list[Markup]:
    """Return the labels that judges gave, and how they agree with the reference."""
    parts: list[Markup] = []
    for each in report.criteria:
        if each.labels:
            rows: list[list[Content]] = [[label.label, f"{label.items:,}"] for label in each.labels[:_MOST_ROWS]]
            parts.append(
                section(f"Labels: {each.name}", table([("label", None), (f"{unit_of(report)}s", RIGHT)], rows))
            )
        if each.agreement is not None:
            agreement = each.agreement
            found: list[list[Content]] = [
                [
                    label.label,
                    f"{label.support:,}",
                    f"{label.predicted:,}",
                    percent(label.precision.value),
                    percent(label.recall.value),
                    number(label.f1),
                ]
                for label in agreement.labels
            ]
            heads: Sequence[tuple[Content, str | None]] = [
                ("label", None),
                ("in reference", RIGHT),
                ("given", RIGHT),
                ("precision, %", RIGHT),
                ("recall, %", RIGHT),
                ("F1", RIGHT),
            ]
            limits = interval(agreement.accuracy.low, agreement.accuracy.high)
            told = (
                f"{counted(agreement.items, unit_of(report))}; "
                f"equal: {percent(agreement.accuracy.value)} % ({limits}); "
                f"mean F1: {number(agreement.macro_f1)}."
            )
            parts.append(section(f"{each.name} against {agreement.field}", note(told), table(heads, found)))
    return parts


def errors(report: RunReport) -> Markup | None:
    """Return the errors by message."""
    if not report.errors:
        return None
    rows: list[list[Content]] = [
        [
            element("code", {}, each.code),
            shortened(each.message, _LONGEST_MESSAGE),
            f"{each.items:,}",
            "-" if each.first_item is None else each.first_item,
        ]
        for each in report.errors[:_MOST_ROWS]
    ]
    heads: Sequence[tuple[Content, str | None]] = [
        ("code", None),
        ("message", None),
        (f"{unit_of(report)}s", RIGHT),
        ("first item", RIGHT),
    ]
    more = len(report.errors) - _MOST_ROWS
    rest = note(f"{counted(more, 'rarer message')} not shown.") if more > 0 else None
    return section("Errors", table(heads, rows), rest)


def spreads(report: RunReport) -> Markup | None:
    """Return the percentiles of latency and tokens."""
    rows: list[list[Content]] = []
    if report.latency_ms is not None:
        rows.append(["latency", *_percentiles(report.latency_ms, milliseconds)])
    if report.tokens is not None:
        rows.append(["tokens", *_percentiles(report.tokens, number)])
    names = ("", "calls", "mean", "p50", "p90", "p95", "p99", "highest")
    heads: Sequence[tuple[Content, str | None]] = [(name, RIGHT if name else None) for name in names]
    return section("Latency and tokens", table(heads, rows)) if rows else None


def _percentiles(spread: ReportSpread, shown: Callable[[float | None], str]) -> list[Content]:
    values = (spread.mean, spread.p50, spread.p90, spread.p95, spread.p99, spread.high)
    return [f"{spread.items:,}", *(shown(value) for value in values)]


def usage(report: RunReport) -> Markup | None:
    """Return calls, tokens and dollars by model."""
    if not report.usage:
        return None
    rows: list[list[Content]] = [
        [
            each.model,
            each.role,
            f"{each.calls:,}",
            f"{each.prompt_tokens:,}",
            f"{each.completion_tokens:,}",
            dollars(each.cost),
        ]
        for each in report.usage
    ]
    rows.append(["total", "", *_sums(report), dollars(report.cost)])
    heads: Sequence[tuple[Content, str | None]] = [
        ("model", None),
        ("role", None),
        ("calls", RIGHT),
        ("tokens in", RIGHT),
        ("tokens out", RIGHT),
        ("cost", RIGHT),
    ]
    rest = note("A dash: not every call has a price.") if any(each.cost is None for each in report.usage) else None
    return section("Models", table(heads, rows, sums=1), rest)


def _sums(report: RunReport) -> list[str]:
    calls = sum(each.calls for each in report.usage)
    sent = sum(each.prompt_tokens for each in report.usage)
    answered = sum(each.completion_tokens for each in report.usage)
    return [f"{calls:,}", f"{sent:,}", f"{answered:,}"]


def repeats(report: RunReport) -> Markup | None:
    """Return what repeated samples achieve."""
    found = report.repeats
    if found is None:
        return None
    rows: list[list[Content]] = [
        [
            f"k = {each.k}",
            f"{each.items:,}",
            element("b", {}, percent(each.at_least_one.value)),
            interval(each.at_least_one.low, each.at_least_one.high),
            element("b", {}, percent(each.all_of_them.value)),
            interval(each.all_of_them.low, each.all_of_them.high),
        ]
        for each in found.by_k
    ]
    heads: Sequence[tuple[Content, str | None]] = [
        ("samples", None),
        ("items", RIGHT),
        ("at least one passes (pass@k), %", RIGHT),
        ("95 % interval", NARROW),
        ("all pass (pass^k), %", RIGHT),
        ("95 % interval", NARROW),
    ]
    told = f"{found.unstable:,} of {counted(found.items, 'item')} passed in some samples and failed in others."
    named = ", ".join(found.unstable_items[:_MOST_ROWS])
    rest = note(f"The first: {named}.") if named else None
    return section("Repeats", note(told), table(heads, rows), rest)


def gaps(report: RunReport) -> Markup | None:
    """Return what cannot be told, and why."""
    if not report.gaps:
        return None
    told = [element("li", {}, element("code", {}, gap.what), f": {gap.why}") for gap in report.gaps]
    return section("What cannot be told", element("ul", {"class": "gaps"}, *told))
