"""What pytest calls. Sessions without tests of evals load nothing beyond this module."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evalhaven.pytest_plugin.recording import Recorder
    from evalhaven.pytest_plugin.sessions import EvalSession

MARK = "evalhaven"
_RECORD = "evalhaven_record"  # an attribute of reports, with which they come from xdist's workers
_SESSION: "pytest.StashKey[EvalSession]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("evalhaven", "tests of evals (evalhaven)")
    group.addoption(
        "--evalhaven-url",
        metavar="URL",
        help="server that keeps the runs; default: EVALHAVEN_URL, else that of the data directory, else one that is "
        "started for the end of the session",
    )
    group.addoption("--evalhaven-data-dir", metavar="DIR", help="data directory; default: ./evalhaven-data")
    group.addoption(
        "--evalhaven-strict",
        action="store_true",
        help="let each failing test fail the session, also where the policy of its file would tolerate it",
    )
    group.addoption(
        "--evalhaven-off", action="store_true", help="make no runs: tests of evals are tests like any other"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(file): call the test for each item of an eval file, which it gets as `item`, and make a run of what "
        "the fixture `evalhaven` records",
    )
    # xdist's workers only report; so does nobody where no runs are wanted.
    if not hasattr(config, "workerinput") and not config.getoption("evalhaven_off"):
        config.pluginmanager.register(Collector(config), "evalhaven-collector")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Call a marked test for each item of its file."""
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is not None:
        _session(metafunc.config).parametrize(metafunc, mark)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which items are left after the choice of tests."""
    if (evals := _find_session(session.config)) is not None:
        evals.note_chosen(session.items)


@pytest.fixture(name="evalhaven")
def _recorder(request: pytest.FixtureRequest) -> "Recorder":  # pyright: ignore[reportUnusedFunction] - pytest's
    """Record what a test of an eval finds: `output`, `score` and `label`."""
    from evalhaven.pytest_plugin.recording import recorder_of

    if request.node.get_closest_marker(MARK) is None:
        pytest.fail("the fixture `evalhaven` needs the mark: @pytest.mark.evalhaven(FILE)", pytrace=False)
    return recorder_of(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach to the report of a test what it recorded."""
    report = yield
    evals = _find_session(item.config)
    if evals is not None and item.get_closest_marker(MARK) is not None:
        record = evals.find_record(item, call, report)
        if record is not None:
            setattr(report, _RECORD, record)
    return report


class Collector:
    """Listens where runs are made: in the session itself, or in the one that xdist's workers report to."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test recorded."""
        record: str | None = getattr(report, _RECORD, None)
        if record is not None:
            _session(self._config).keep(record)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Make the runs, and let their outcome be the session's."""
        if (evals := _find_session(self._config)) is not None:
            evals.hand_over(session)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show what the runs came to."""
        if (evals := _find_session(self._config)) is not None:
            evals.show(terminalreporter)


def _find_session(config: pytest.Config) -> "EvalSession | None":
    return config.stash.get(_SESSION, None)


def _session(config: pytest.Config) -> "EvalSession":
    found = _find_session(config)
    if found is None:
        from evalhaven.pytest_plugin.sessions import EvalSession

        found = config.stash[_SESSION] = EvalSession(config)
    return found
