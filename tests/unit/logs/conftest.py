"""A store of logged calls for each test, on each database in turn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from evalhaven.logs.store import LogStore
from tests.unit.logs.logged import opened_store


@pytest.fixture
def logs_directory(tmp_path: Path) -> Path:
    """Return where day files are."""
    return tmp_path / "logs"


@pytest.fixture
async def store(database_url: URL, logs_directory: Path) -> AsyncIterator[LogStore]:
    """Open this test's own store."""
    async with opened_store(database_url, logs_directory) as store:
        yield store


@pytest.fixture
async def other_store(database_url: URL, logs_directory: Path) -> AsyncIterator[LogStore]:
    """Open the same store once more, as another process does."""
    async with opened_store(database_url, logs_directory) as store:
        yield store
