"""Fixtures of the tests of moving over."""

from collections.abc import Callable, Iterator

import pytest

from tests.importing.hosted_account import Account
from tests.server import Server, show_server_logs
from tests.system.client import Client

pytest_runtest_makereport = show_server_logs

Say = Callable[[str], None]

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Return what takes a measured figure, to be shown at the end of the session."""
    figures = request.config.stash.setdefault(_FIGURES, [])
    return lambda figure: figures.append(f"{request.node.name}: {figure}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the figures that the tests measured."""
    for figure in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(figure)


@pytest.fixture(scope="module")
def small_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Return an account of 3 evals, 6 runs, 600 items and 2 files on a server of its own; read it only."""
    server = Server(tmp_path_factory.mktemp("hosted"))
    with server.running(), Client(server.url) as client:
        account = Account(client)
        account.fill(evals=3, runs=6, items=600)
        yield account
