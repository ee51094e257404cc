"""Fixtures of the system tests: each has a server process of its own, unless those of a module share one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import TemporaryDatabase
from tests.server import Server, show_server_logs
from tests.system.client import Client

pytest_runtest_makereport = show_server_logs


@pytest.fixture
def has_gateway() -> bool:
    """Tell whether the server passes calls on; a module whose tests need that says so with a fixture of this name."""
    return False


@pytest.fixture
def server_class() -> type[Server]:
    """Return the class of the server; a module about the command itself says that it is another."""
    return Server


@pytest.fixture
def stopped_server(
    tmp_path: Path, temporary_database: TemporaryDatabase, server_class: type[Server], *, has_gateway: bool
) -> Iterator[Server]:
    """Return a server that is not started yet; it is stopped and its data removed at the end."""
    with temporary_database() as url:
        server = server_class(tmp_path, url, EVALHAVEN_GATEWAY="on" if has_gateway else "off")
        yield server
        server.stop()
    # At full size a test leaves gigabytes, and pytest would keep those of three sessions.
    shutil.rmtree(server.data_dir, ignore_errors=True)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, temporary_database: TemporaryDatabase) -> Iterator[Server]:
    """Return a server for the tests of a module, which says with a fixture `stopped_server` that they share it."""
    with temporary_database() as url:
        server = Server(tmp_path_factory.mktemp("shared"), url)
        yield server
        server.stop()
    shutil.rmtree(server.data_dir, ignore_errors=True)


@pytest.fixture
def server(stopped_server: Server) -> Server:
    """Return a server that is up."""
    if not stopped_server.is_up:
        stopped_server.start()
    return stopped_server


@pytest.fixture
def client(stopped_server: Server) -> Iterator[Client]:
    """Return a client of the server."""
    with Client(stopped_server.url) as client:
        yield client
