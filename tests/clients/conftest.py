"""The server that all clients drive: the contract tests' own, on every database they run on."""

from tests.contract.conftest import server
from tests.server import show_server_logs

__all__ = ["pytest_runtest_makereport", "server"]

pytest_runtest_makereport = show_server_logs
