"""A pytest plugin that counts a skipped test as a failed one when EVALHAVEN_REQUIRE_ALL=1.

A skip is right on a laptop that lacks something; on the machine that vouches for a change it is a fact
nobody checked. A test that is expected to fail (xfail) did run, and stays what it is.
"""

import os
from collections.abc import Generator

import pytest


def _requires_all() -> bool:
    return os.environ.get("EVALHAVEN_REQUIRE_ALL") == "1"


def _fail_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not _requires_all() or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"EVALHAVEN_REQUIRE_ALL=1 lets no test be skipped, and {report.nodeid} was: {reason}"


# tryfirst puts these outermost: pytest's own wrappers turn marks and exceptions into reports further in.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that was skipped by a mark, by a fixture or in its own body."""
    report = yield
    _fail_skipped(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skipped itself while it was collected."""
    report = yield
    _fail_skipped(report)
    return report
