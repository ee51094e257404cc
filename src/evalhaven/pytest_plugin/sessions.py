"""A session with tests of evals: their files, what was recorded, and what came of it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from evalhaven.eval_files.format import EvalFile
from evalhaven.eval_files.problems import EvalFileError
from evalhaven.eval_files.reading import read_eval_file
from evalhaven.eval_files.rows import read_rows
from evalhaven.pytest_plugin.handing_over import Outcome, Recorded, hand_over
from evalhaven.pytest_plugin.recording import find_recorder

_ARGUMENT = "item"
_FAILURES = (AssertionError, pytest.fail.Exception)
_MOST_CHARS = 500
_STATUS_OF = {64: pytest.ExitCode.USAGE_ERROR, 70: pytest.ExitCode.INTERNAL_ERROR}


@dataclass(slots=True)
class _File:
    """An eval file with its items."""

    file: EvalFile
    items: list[Any]


@dataclass(slots=True)
class Group:
    """The items of one test.

    Attributes:
        expected: How many items its file has.
        is_partial: Whether some of them were not chosen.
        rows: What was recorded, by position.
    """

    path: Path
    test: str
    expected: int
    is_partial: bool
    rows: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])


class EvalSession:
    """The tests of evals of a session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._files: dict[Path, _File] = {}
        self._chosen = Counter[tuple[Path, str]]()
        self._groups: dict[tuple[Path, str], Group] = {}
        self._outcomes: list[Outcome] = []

    def parametrize(self, metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
        """Call a test for each item of the file that its mark names."""
        if _ARGUMENT not in metafunc.fixturenames:
            raise pytest.Collector.CollectError(
                f"{metafunc.definition.nodeid}: a test of an eval takes the argument `{_ARGUMENT}`, its item."
            )
        items = self._file(self._path_of(metafunc.definition, mark)).items
        ids = [str(item["id"]) if isinstance(item.get("id"), str | int) else str(at) for at, item in enumerate(items)]
        metafunc.parametrize(_ARGUMENT, items, ids=ids)

    def note_chosen(self, items: Sequence[pytest.Item]) -> None:
        """Note which items are left after the choice of tests."""
        for item in items:
            if (mark := item.get_closest_marker("evalhaven")) is not None:
                self._chosen[self._path_of(item, mark), _test_of(item)] += 1

    def find_record(self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> str | None:
        """Return what is known of an item after a phase of its test; None if a later one says more.

        A failure that the policy of the file judges is not the session's.
        """
        if report.when == "teardown" or (report.when == "setup" and report.passed):
            return None
        mark = cast("pytest.Mark", item.get_closest_marker("evalhaven"))
        path, test = self._path_of(item, mark), _test_of(item)
        found = self._file(path)
        is_partial = self._chosen[path, test] < len(found.items)
        recorder = find_recorder(item)
        told: dict[str, Any] = {
            "outcome": _outcome_of(call, report),
            "scores": recorder.scores,
            "verdicts": recorder.verdicts,
            "labels": recorder.labels,
        }
        record = {
            "file": str(path),
            "test": test,
            "expected": len(found.items),
            "partial": is_partial,
            "position": cast("Any", item).callspec.indices[_ARGUMENT],
            "sample": recorder.sample,
            "error": _error_of(call, recorder.sample) if told["outcome"] != "skipped" else None,
            "told": told,
            "thresholds": recorder.thresholds,
        }
        is_judged = found.file.policy is not None and not is_partial
        if report.when == "call" and report.failed and is_judged and not self._judges_itself():
            report.outcome = "skipped"
            report.wasxfail = f"judged by the policy of {path.name}"
        return json.dumps(record)

    def keep(self, record: str) -> None:
        """Keep what a test recorded; of a test that was repeated, the last counts."""
        told: dict[str, Any] = json.loads(record)
        key = Path(told["file"]), told["test"]
        group = self._groups.setdefault(key, Group(*key, told["expected"], told["partial"]))
        group.rows[told["position"]] = told

    def hand_over(self, session: pytest.Session) -> None:
        """Make a run of each test, and let their outcome be the session's."""
        for group in self._groups.values():
            found = self._file(group.path)
            outcome = hand_over(self._config, found.file, found.items, _recorded(group))
            self._outcomes.append(outcome)
            if session.exitstatus == pytest.ExitCode.OK and outcome.exit_status:
                status = _STATUS_OF.get(outcome.exit_status, pytest.ExitCode.TESTS_FAILED)
                session.exitstatus = status

    def show(self, terminal: Any) -> None:
        """Show what the runs came to."""
        for outcome in self._outcomes:
            terminal.section(f"eval: {outcome.title}")
            for line in outcome.lines:
                terminal.write_line(line)

    def _judges_itself(self) -> bool:
        return bool(self._config.getoption("evalhaven_strict") or self._config.getoption("evalhaven_off"))

    def _path_of(self, node: pytest.Item | pytest.Collector, mark: pytest.Mark) -> Path:
        """Return the path that a mark names: from the directory of the test, else from that of the session."""
        if len(mark.args) != 1 or mark.kwargs or not isinstance(mark.args[0], str | Path):
            raise pytest.Collector.CollectError(
                f"{node.nodeid}: the mark takes one path: @pytest.mark.evalhaven('NAME.yaml')"
            )
        beside = node.path.parent / mark.args[0]
        return beside if beside.exists() else self._config.rootpath / mark.args[0]

    def _file(self, path: Path) -> _File:
        if path not in self._files:
            try:
                file = read_eval_file(path)
                self._files[path] = _File(file, [row["item"] for row in read_rows(file)])
            except EvalFileError as error:
                raise pytest.Collector.CollectError(str(error)) from error
        return self._files[path]


def _test_of(item: pytest.Item) -> str:
    """Return the name of a test, without its item and with its other parameters."""
    name = item.nodeid.partition("[")[0]
    callspec: Any = getattr(item, "callspec", None)
    others = {} if callspec is None else {key: each for key, each in callspec.params.items() if key != _ARGUMENT}
    return f"{name}[{', '.join(f'{key}={each}' for key, each in others.items())}]" if others else name


def _outcome_of(call: pytest.CallInfo[None], report: pytest.TestReport) -> str:
    if report.passed:
        return "passed"
    if report.skipped:
        return "skipped"
    return "failed" if call.excinfo is not None and call.excinfo.errisinstance(_FAILURES) else "error"


def _error_of(call: pytest.CallInfo[None], sample: dict[str, Any] | None) -> dict[str, str] | None:
    """Return why an item has no result; None if it has one."""
    raised = call.excinfo
    if raised is not None and (sample is None or not raised.errisinstance(_FAILURES)):
        return {"code": raised.typename, "message": str(raised.value)[:_MOST_CHARS] or raised.typename}
    if sample is None:
        return {"code": "no_output", "message": "The test recorded no output: call evalhaven.output(…)."}
    return None


def _recorded(group: Group) -> Recorded:
    done = {at: row for at, row in group.rows.items() if row["told"]["outcome"] != "skipped"}
    return Recorded(
        group.test,
        [done[at] for at in sorted(done)],
        is_partial=group.is_partial,
        missing=0 if group.is_partial else group.expected - len(group.rows),
        skipped=len(group.rows) - len(done),
        of=group.expected,
    )
