"""The report of a run as one file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from evalhaven.api.html_report import run_sections as parts
from evalhaven.api.html_report.elements import Content, Markup, element, together
from evalhaven.api.html_report.examples import LONGEST_TEXT, examples
from evalhaven.api.html_report.tables import facts, note, section
from evalhaven.api.html_report.texts import json_text, moment, shortened
from evalhaven.domain.evals import Eval
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.run_options import DEFAULT_OPTIONS
from evalhaven.domain.runs import Run
from evalhaven.domain.wording import counted
from evalhaven.wire.reports import ReportField, RunReport

_MOST_BREAKDOWNS = 3
_MOST_VALUES = 12
_LONGEST_DOCUMENT = 4_000


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """What a run's page is made of.

    Attributes:
        report: All figures.
        failed: Some items that failed, as examples.
        errored: Some items without a result.
    """

    run: Run
    parent: Eval
    report: RunReport
    failed: Sequence[OutputItem]
    errored: Sequence[OutputItem]


def suitable_fields(fields: Sequence[ReportField], items: int) -> list[str]:
    """Return the fields by which a report is broken down if none is named: those that make a few groups."""
    found = [
        each.name
        for each in fields
        if each.values is not None and 1 < each.values <= _MOST_VALUES and 2 * each.values <= items
    ]
    return found[:_MOST_BREAKDOWNS]


def run_body(reported: ReportedRun) -> Markup:
    """Return the content of a run's page."""
    run, report = reported.run, reported.report
    is_partial = not run.status.is_final
    return together(
        _head(run, reported.parent, report),
        parts.verdict(report, is_partial=is_partial),
        parts.main_figures(report),
        parts.criteria(report, is_partial=is_partial),
        *parts.breakdowns(report, is_partial=is_partial),
        parts.repeats(report),
        parts.scores(report),
        *parts.labels(report),
        parts.errors(report),
        parts.spreads(report),
        parts.usage(report),
        parts.gaps(report),
        _examples(reported),
        _configuration(run, reported.parent),
    )


def _head(run: Run, parent: Eval, report: RunReport) -> Markup:
    took = ""
    if run.started_at is not None and run.ended_at is not None:
        took = f", took {counted(run.ended_at - run.started_at, 'second')}"
    told = [
        run.status.value.replace("_", " "),
        f"eval: {parent.name}",
        f"model: {run.model}" if run.model else None,
        counted(report.items, parts.unit_of(report)),
        f"{moment(run.created_at)}{took}",
    ]
    meta = [element("span", {}, each) for each in told if each is not None]
    failure = (
        None if run.error is None else note(element("b", {"class": "error"}, f"{run.error.code}: "), run.error.message)
    )
    ids = element("span", {}, element("code", {}, run.id))
    return together(element("h1", {}, run.name or run.id), element("div", {"class": "meta"}, *meta, ids), failure)


def _examples(reported: ReportedRun) -> Markup | None:
    groups = (
        (reported.failed, reported.report.failed, "failed"),
        (reported.errored, reported.report.errored, "without a result"),
    )
    criteria = reported.run.criteria(reported.parent)
    units = f"{parts.unit_of(reported.report)}s".capitalize()
    shown: list[Content] = []
    for items, count, word in groups:
        if items:
            of_all = f"{len(items):,} of {count:,}" if count > len(items) else f"{len(items):,}"
            shown += [
                note(f"{units} {word}: {of_all}, in the order in which they ended."),
                examples(items, criteria),
            ]
    if not shown:
        return None
    limit = note(f"Texts of more than {LONGEST_TEXT:,} characters are shortened.")
    return section(f"{units} that did not pass", *shown, limit)


def _configuration(run: Run, parent: Eval) -> Markup:
    told: dict[str, Content] = {"run": together(element("code", {}, run.id), f" of eval {parent.id}")}
    told["created"] = moment(run.created_at)
    if run.ended_at is not None:
        told["ended"] = moment(run.ended_at)
    if run.times_retried:
        told["retried"] = counted(run.times_retried, "time")
    if run.regrading is not None:
        told["samples of"] = element("code", {}, run.regrading.run_id)
    chosen = {name: value for name, value in asdict(run.options).items() if value != asdict(DEFAULT_OPTIONS)[name]}
    documents = {
        "options": chosen,
        "metadata": run.metadata,
        "data source": run.data_source.json,
        "criteria": run.criteria(parent).json,
    }
    texts = [
        together(
            element("h3", {}, name),
            element("pre", {"class": "text"}, shortened(json_text(value, in_lines=True), _LONGEST_DOCUMENT)),
        )
        for name, value in documents.items()
        if value
    ]
    warnings = [element("li", {}, f"{each.pointer}: {each.message}") for each in run.warnings]
    shown = together(element("h3", {}, "warnings"), element("ul", {"class": "gaps"}, *warnings)) if warnings else None
    return section("Configuration", facts(told), shown, *texts)
