"""Figures that tests measure: shown at the end of the session, from where a closing note quotes them."""

from collections.abc import Callable

import pytest

Say = Callable[[str], None]

_FIGURE = "figure"


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Return what takes a measured figure; it travels with the test's report, also from another process."""
    properties = request.node.user_properties
    return lambda figure: properties.append((_FIGURE, figure))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures beside the result."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                for name, figure in report.user_properties:
                    if name == _FIGURE:
                        terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {figure}")
