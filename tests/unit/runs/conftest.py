"""A migrated database and an engine for each test of runs."""

from pathlib import Path

import anyio
import pytest

from evalhaven.runs.engine import Engine
from evalhaven.runs.patience import Patience
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database
from tests.unit.domain.still_clock import StillClock, still_ids
from tests.unit.storage.stored import database

__all__ = ["database"]


@pytest.fixture
async def engine(database: Database, tmp_path: Path) -> Engine:
    """Return an engine whose clock stands still."""
    clock = StillClock(1000.0)
    blobs = BlobStore(tmp_path / "blobs")
    return Engine(database, blobs, still_ids(clock), clock, Patience(), anyio.CapacityLimiter(4), anyio.Lock())
