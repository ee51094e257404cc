"""Fixtures of the system tests: each has a server process of its own."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import TemporaryDatabase
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


@pytest.fixture
def stopped_server(tmp_path: Path, temporary_database: TemporaryDatabase) -> Iterator[Server]:
    """Return a server that was not started yet; it is stopped and its data removed at the end."""
    with temporary_database() as url:
        server = Server(tmp_path, url)
        yield server
        server.stop()
    # At full size a test leaves gigabytes, of which pytest would keep those of three sessions.
    shutil.rmtree(server.data_dir, ignore_errors=True)


@pytest.fixture
def server(stopped_server: Server) -> Server:
    """Return a server that is up."""
    stopped_server.start()
    return stopped_server


@pytest.fixture
def client(stopped_server: Server) -> Iterator[Client]:
    """Return a client of the server."""
    with Client(stopped_server.url) as client:
        yield client
