"""A migrated database and an engine for each test of runs."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest
from sqlalchemy import URL

from evalhaven.app.stores import log_store
from evalhaven.logs.store import LogStore
from evalhaven.runs.engine import Engine
from evalhaven.runs.patience import Patience
from evalhaven.runs.vault import Vault
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.catalog import Catalog
from evalhaven.settings import Settings
from evalhaven.storage.database import Database
from evalhaven.storage.local_blobs import LocalBlobStore
from tests.unit.domain.still_clock import StillClock, still_ids
from tests.unit.storage.stored import database

__all__ = ["database"]


@pytest.fixture
async def logs(database: Database, database_url: URL, tmp_path: Path) -> AsyncGenerator[LogStore]:
    """Open the store of logged calls that belongs to the database."""
    is_file = database_url.get_backend_name() == "sqlite"
    named = None if is_file else database_url.render_as_string(hide_password=False)
    store = log_store(Settings.model_validate({"data_dir": tmp_path, "database_url": named}), database)
    yield store
    await store.close()


@pytest.fixture
async def engine(database: Database, logs: LogStore, tmp_path: Path) -> AsyncGenerator[Engine]:
    """Open an engine whose clock stands still."""
    clock = StillClock(1000.0)
    blobs = LocalBlobStore(tmp_path / "blobs")
    async with ModelCaller() as caller:
        yield Engine(
            database,
            blobs,
            still_ids(clock),
            clock,
            Patience(),
            anyio.CapacityLimiter(4),
            anyio.Lock(),
            Catalog(()),
            caller,
            Vault(tmp_path / "secret.key"),
            logs,
        )
