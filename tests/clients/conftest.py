"""The server that all clients drive: the contract tests' own, on every database they run on."""

from tests.contract.conftest import postgresql_server, server, sqlite_server
from tests.server import show_server_logs

__all__ = ["postgresql_server", "pytest_runtest_makereport", "server", "sqlite_server"]

pytest_runtest_makereport = show_server_logs
