"""A server for generated requests, and the published document that they are generated from."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import document, postgresql_server, server, sqlite_server
from tests.published import read_published
from tests.server import show_server_logs

__all__ = ["document", "postgresql_server", "server", "sqlite_server"]

pytest_runtest_makereport = show_server_logs


@pytest.fixture(scope="session")
def published(shared_dir: Path) -> dict[str, Any]:
    """Return the published document of evals, graders and files."""
    return read_published(shared_dir / "spec" / "openapi" / "evals-graders-files.yaml")


@pytest.fixture(scope="session")
def neighbours(shared_dir: Path) -> dict[str, Any]:
    """Return the published document of what stands beside them."""
    return read_published(shared_dir / "spec" / "openapi" / "neighbours.yaml")
