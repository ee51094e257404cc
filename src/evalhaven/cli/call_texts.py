"""What a call of an eval file came to: in a terminal, as JSON, as Markdown and as JUnit XML."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from evalhaven.cli.comparison_texts import print_comparison
from evalhaven.cli.figure_texts import format_share, make_printable
from evalhaven.cli.gate import add_to_summary, write_text
from evalhaven.cli.gate_texts import clean_xml, escape_markdown, junit_suite, print_decision, render_markdown
from evalhaven.cli.run_document import RunDocument
from evalhaven.cli.shell import EXIT_TOOL, print_error, reader_may_leave
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import plain_console, print_hint, print_json, print_text
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.wording import counted
from evalhaven.eval_files.calling import RECORDED, Call, CalledRun
from evalhaven.eval_files.deciding import FAILS, INCONCLUSIVE, PASSES, Decision
from evalhaven.eval_files.format import EvalFile
from evalhaven.eval_files.selecting import Selection
from evalhaven.eval_files.upserting import PlacedEval

_COLUMNS = (
    Column("variant", may_be_cut=True),
    Column("items", is_figure=True),
    Column("passed", is_figure=True),
    Column("failed", is_figure=True),
    Column("errored", is_figure=True),
    Column("rate", is_figure=True),
    Column("outcome"),
)
_STYLES = {PASSES: "bold green", FAILS: "bold red", INCONCLUSIVE: "bold yellow"}
_CHOSEN = "Nothing is decided: the items were chosen because they had failed."


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run came to.

    Attributes:
        run: The run.
        document: The same, as it ended.
        baseline: The run that it is compared with; None if there is none.
        decision: What the gate says; None if it was not asked.
        comparison: How it differs from the baseline; None without one.
        is_baseline: Whether the others are compared with it.
    """

    run: CalledRun
    document: RunDocument
    baseline: str | None = None
    decision: Decision | None = None
    comparison: dict[str, Any] | None = None
    is_baseline: bool = False

    @property
    def is_clean(self) -> bool:
        """Tell whether it has completed, and every item has a result."""
        return self.document.status is RunStatus.COMPLETED and not self.document.result_counts.errored

    @property
    def exit_status(self) -> int:
        """Return what it alone would end the command with."""
        if self.decision is not None:
            return self.decision.exit_status
        return PASSES if self.is_clean else INCONCLUSIVE

    @property
    def outcome(self) -> str:
        """Return what it came to, in a word or two."""
        if self.is_baseline:
            return "baseline" if self.is_clean else f"baseline, {self._ending}"
        return self._ending if self.decision is None else self.decision.outcome

    @property
    def _ending(self) -> str:
        status = self.document.status
        if status is RunStatus.FAILED and self.document.error is not None:
            return f"failed: {self.document.error.message}"
        return f"{status} with errors" if status is RunStatus.COMPLETED and not self.is_clean else str(status)


@dataclass(frozen=True, slots=True)
class Report:
    """What a call came to.

    Attributes:
        recorded: The files to which answers were written, with their number.
    """

    file: EvalFile
    placed: PlacedEval
    call: Call
    selection: Selection
    runs: list[RunReport]
    recorded: list[tuple[Path, int]] = field(default_factory=list[tuple[Path, int]])

    @property
    def exit_status(self) -> int:
        """Return the exit status: that of the worst run; failing is worse than not knowing."""
        found = {each.exit_status for each in self.runs}
        return next(status for status in (FAILS, INCONCLUSIVE, PASSES) if status in found)


def write_report(
    report: Report, form: Literal["text", "json", "markdown"], junit: Path | None, own_directory: Path | None
) -> int:
    """Print what a call came to, write the files that were asked for, and return the exit status.

    Args:
        report: What it came to.
        form: What is printed.
        junit: Where JUnit XML is written; None: nowhere.
        own_directory: Data directory of the command's own server, whose pages are gone now; None if it is another's.
    """
    problem = None if junit is None else write_text(junit, render_call_junit(report))
    markdown = render_call_markdown(report)
    add_to_summary(markdown)
    with reader_may_leave():
        if form == "json":
            print_json(call_document(report))
        elif form == "markdown":
            sys.stdout.write(markdown)
        else:
            _print_report(report, own_directory)
    if problem is not None:
        print_error(f"The JUnit XML is missing, although it was asked for: {problem}")
        return EXIT_TOOL
    return report.exit_status


def call_document(report: Report) -> dict[str, Any]:
    """Return what a call came to as JSON."""
    return {
        "object": "eval_file.call",
        "file": str(report.file.path),
        "call": report.call.id,
        "eval_id": report.placed.id,
        "eval_name": report.file.name,
        "is_new": report.placed.is_new,
        "follows": report.placed.follows,
        "part": report.selection.text,
        "runs": [_run_document(each) for each in report.runs],
        "recorded": [str(path) for path, _ in report.recorded],
        "exit_status": report.exit_status,
    }


def render_call_markdown(report: Report) -> str:
    """Return what a call came to as Markdown."""
    names = " | ".join(column.name for column in _COLUMNS)
    lines = [f"## {escape_markdown(report.file.name)}", "", f"| {names} |", f"|{'---|' * len(_COLUMNS)}"]
    lines += [f"| {' | '.join(map(escape_markdown, _row(each)))} |" for each in report.runs]
    if report.selection.failing is not None:
        lines += ["", _CHOSEN]
    for each in report.runs:
        if each.decision is None:
            continue
        lines += ["", f"**{escape_markdown(each.run.variant)}**", ""]
        gate = each.decision.gate
        lines.append(
            escape_markdown(each.decision.sentence) if gate is None else render_markdown(_told(each.decision)).rstrip()
        )
    return "\n".join(lines) + "\n"


def render_call_junit(report: Report) -> str:
    """Return what a call came to as JUnit XML: a suite a run."""
    root = Element("testsuites", name=clean_xml(report.file.name))
    for each in report.runs:
        decision = each.decision
        if decision is not None and decision.gate is not None:
            root.append(junit_suite(_told(decision)))
            continue
        suite = SubElement(root, "testsuite", name=clean_xml(f"evalhaven run {each.run.variant}"))
        case = SubElement(suite, "testcase", classname=each.run.id, name="baseline" if each.is_baseline else "run")
        errors = int(each.exit_status != PASSES)
        if errors:
            message = each.outcome if decision is None else decision.sentence
            SubElement(case, "error", message=clean_xml(message), type="inconclusive")
        for name, count in (("tests", 1), ("failures", 0), ("errors", errors), ("skipped", 0)):
            suite.set(name, str(count))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _told(decision: Decision) -> dict[str, Any]:
    """Return the gate's answer, with what was decided in the end."""
    told = {"outcome": decision.outcome, "exit_status": decision.exit_status, "sentence": decision.sentence}
    return {**(decision.gate or {}), **told}


def _run_document(report: RunReport) -> dict[str, Any]:
    counts = report.document.result_counts
    return {
        "variant": report.run.variant,
        "run_id": report.run.id,
        "role": "baseline" if report.is_baseline else "candidate",
        "status": str(report.document.status),
        "error": None if report.document.error is None else report.document.error.message,
        "total": counts.total,
        "passed": counts.passed,
        "failed": counts.failed,
        "errored": counts.errored,
        "report_url": report.document.report_url,
        "baseline": report.baseline,
        "outcome": None if report.decision is None else report.decision.outcome,
        "sentence": None if report.decision is None else report.decision.sentence,
        "gate": None if report.decision is None else report.decision.gate,
        "comparison": report.comparison,
        "exit_status": report.exit_status,
    }


def _row(report: RunReport) -> list[str]:
    counts = report.document.result_counts
    graded = counts.passed + counts.failed
    figures = [f"{each:,}" for each in (counts.total, counts.passed, counts.failed, counts.errored)]
    name = "recorded answers" if report.run.role == RECORDED else report.run.variant
    return [name, *figures, format_share(counts.passed, graded) if graded else "-", report.outcome]


def _print_report(report: Report, own_directory: Path | None) -> None:
    console = plain_console()
    console.print()
    if report.placed.follows is not None:
        print_text(console, "The eval has changed: this is its next version. Trends and comparisons go on across both.")
    print_table(console, _COLUMNS, [[make_printable(cell) for cell in _row(each)] for each in report.runs])
    if report.selection.failing is not None:
        print_text(console, _CHOSEN)
    for each in report.runs:
        if each.decision is None and each.comparison is None:
            continue
        console.print()
        if len(report.runs) > 1:
            print_text(console, make_printable(each.run.variant), style="bold")
        if each.decision is not None and each.decision.gate is not None:
            print_decision(_told(each.decision))
        elif each.decision is not None:
            print_text(console, make_printable(each.decision.sentence), style=_STYLES[each.decision.exit_status])
        elif each.comparison is not None:
            print_comparison(each.comparison)
    console.print()
    for path, count in report.recorded:
        print_text(console, make_printable(f"{path}: {counted(count, 'answer')} recorded"))
    if own_directory is not None:
        print_hint(console, f"evalhaven serve --data-dir {own_directory} shows the report of each run.")
        return
    for each in report.runs:
        print_text(console, make_printable(each.document.report_url))
