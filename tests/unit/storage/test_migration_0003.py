"""Facts about the step to runs that are graded again: rows of the release before stay what they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import URL, text

from evalhaven.domain.runs import Chunk
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage.chunks import list_pending_chunks
from evalhaven.storage.database import postgresql_url, sqlite_url, sync_engine
from evalhaven.storage.output_items import list_stored_positions
from evalhaven.storage.runs import get_run_by_key
from evalhaven.storage.schema import _alembic_config, upgrade_database
from tests.databases import PostgresServer
from tests.unit.storage.stored import opened

RUNS = """
INSERT INTO runs (key, project_id, eval_key, public_id, created_at, updated_at, status, name, model, metadata,
    data_source, has_inline_rows, items_planned, passed, failed, errored, unresolved, warnings)
VALUES (1, 1, 1, 'evalrun_1', 100, 100, 'completed', '"old"', '""', '{}', '{"type":"jsonl","source":{}}', TRUE, 2,
    1, 0, 1, 0, '[]'),
    (2, 1, 1, 'evalrun_2', 100, 100, 'in_progress', '"new"', '""', '{}', '{"type":"jsonl","source":{}}', TRUE, 9,
    0, 0, 0, 0, '[]')
"""
EVALS = """
INSERT INTO evals (key, project_id, public_id, created_at, updated_at, name, metadata, data_source_config,
    testing_criteria, warnings)
VALUES (1, 1, 'eval_1', 100, 100, '"e"', '{}', '{"type":"logs"}', '[]', '[]')
"""
CHUNKS = """
INSERT INTO chunks (project_id, run_key, number, first_position, row_count, byte_start, byte_end, is_done)
VALUES (1, 2, 0, 0, 5, 0, 50, TRUE), (1, 2, 1, 5, 4, 50, 90, FALSE)
"""
ITEMS = """
INSERT INTO output_items (run_key, position, repeat, project_id, public_id, created_at, status, item, item_hash, grades)
VALUES (1, 0, 0, 1, :first, 100, 1, '{}', :first, '[[1.0,true]]'), (1, 1, 0, 1, :second, 100, 2, '{}', :second, '[]')
"""


@pytest.fixture
def older_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[URL]:
    """Return the address of a database of the previous release, with rows in it."""
    if database_kind == "sqlite":
        url = sqlite_url(tmp_path / "older.db")
        _fill(url)
        yield url
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with postgres.temporary_database() as address:
        url = postgresql_url(address)
        _fill(url)
        yield url


def _fill(url: URL) -> None:
    engine = sync_engine(url)
    with engine.connect() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for statement in (EVALS, RUNS, CHUNKS):
            connection.execute(text(statement))
        connection.execute(text(ITEMS), {"first": b"1" * 16, "second": b"2" * 16})
        connection.commit()
    engine.dispose()


async def test_rows_of_the_release_before_are_read_as_they_were(older_url: URL) -> None:
    upgrade_database(older_url)
    async with opened(older_url) as database:
        async with database.read() as tx:
            old = await get_run_by_key(tx, DEFAULT_PROJECT, 1)
            new = await get_run_by_key(tx, DEFAULT_PROJECT, 2)
            chunks = await list_pending_chunks(tx, DEFAULT_PROJECT, 2, above=-1, limit=10)
            positions = await list_stored_positions(tx, DEFAULT_PROJECT, 1, 0, 10)
        assert (old.name, old.status, old.tally.errored) == ("old", RunStatus.COMPLETED, 1)
        assert [(run.times_retried, run.regrading, run.own_criteria) for run in (old, new)] == [(0, None, None)] * 2
        assert chunks == [Chunk(1, 5, 4, 50, 90)]
        assert (chunks[0].last_position, chunks[0].position_count) == (None, 4)
        assert positions == {(0, 0), (1, 0)}
