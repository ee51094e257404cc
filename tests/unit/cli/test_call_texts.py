"""Facts about what a call of an eval file is said to have come to, and about its exit status."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from evalhaven.cli.call_texts import Report, RunReport, call_document, render_call_junit, render_call_markdown
from evalhaven.cli.run_document import Counts, RunDocument
from evalhaven.domain.statuses import RunStatus
from evalhaven.eval_files.calling import RECORDED, Call, CalledRun
from evalhaven.eval_files.deciding import Decision
from evalhaven.eval_files.reading import read_eval_file
from evalhaven.eval_files.selecting import Selection
from evalhaven.eval_files.upserting import PlacedEval
from tests.unit.eval_files.written_files import write_json

PASSES, FAILS, OPEN = Decision("pass", "It passes."), Decision("fail", "It fails."), Decision("inconclusive", "<b>?")


def report_of(directory: Path, *runs: RunReport) -> Report:
    """Return the report of a call with these runs."""
    call = Call("call", tuple(each.run for each in runs), len(runs))
    return Report(read_eval_file(write_json(directory)), PlacedEval("eval_1", True), call, Selection(), list(runs))


def run_of(
    decision: Decision | None = None,
    *,
    errored: int = 0,
    status: RunStatus = RunStatus.COMPLETED,
    role: str = "",
) -> RunReport:
    run = CalledRun("evalrun_1", "eval_1", "a|b", role, str(status), {})
    document = RunDocument("evalrun_1", status, result_counts=Counts(2, 1, 1 - errored, errored))
    return RunReport(run, document, decision=decision, is_baseline=role == RECORDED)


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        ([run_of()], 0),
        ([run_of(errored=1)], 2),
        ([run_of(status=RunStatus.CANCELED)], 2),
        ([run_of(status=RunStatus.FAILED), run_of(PASSES)], 2),
        ([run_of(PASSES), run_of(PASSES, errored=1)], 0),
        ([run_of(PASSES), run_of(OPEN)], 2),
        ([run_of(OPEN), run_of(FAILS), run_of(PASSES)], 1),
        ([run_of(role=RECORDED), run_of(PASSES)], 0),
        ([run_of(role=RECORDED, errored=1), run_of(PASSES)], 2),
    ],
)
def test_the_worst_run_gives_the_exit_status(tmp_path: Path, runs: list[RunReport], status: int) -> None:
    report = report_of(tmp_path, *runs)
    assert report.exit_status == call_document(report)["exit_status"] == status


def test_names_and_sentences_read_as_they_are_in_markdown_and_xml(tmp_path: Path) -> None:
    report = report_of(tmp_path, run_of(OPEN), run_of(errored=1))
    markdown = render_call_markdown(report)
    assert "| a\\|b | 2 | 1 | 1 | 0 | 50.0 % | inconclusive |" in markdown
    assert "&lt;b&gt;?" in markdown

    suites = ET.fromstring(render_call_junit(report))  # noqa: S314 - our own
    assert [suite.get("errors") for suite in suites] == ["1", "1"]
    errors = [error.get("message") for error in suites.iter("error")]
    assert errors == ["<b>?", "completed with errors"]
