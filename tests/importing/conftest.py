"""Fixtures of the migration tests."""

from collections.abc import Iterator

import pytest

from tests.importing.hosted_account import Account
from tests.server import Server, show_server_logs
from tests.system.client import Client

pytest_runtest_makereport = show_server_logs


@pytest.fixture(scope="module")
def small_account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Return an account of 3 evals, 6 runs, 600 items and 2 files on a server of its own; tests must only read it."""
    server = Server(tmp_path_factory.mktemp("hosted"))
    with server.running(), Client(server.url) as client:
        account = Account(client)
        account.fill(evals=3, runs=6, items=600)
        yield account
