"""Facts about the step to runs that know how long their rows are: rows of the release before stay what they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import URL, text

from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage.database import postgresql_url, sqlite_url, sync_engine
from evalhaven.storage.runs import get_run_by_key
from evalhaven.storage.schema import _alembic_config, upgrade_database
from tests.databases import PostgresServer
from tests.unit.storage.stored import opened

EVALS = """
INSERT INTO evals (key, project_id, public_id, created_at, updated_at, name, metadata, data_source_config,
    testing_criteria, warnings)
VALUES (1, 1, 'eval_1', 100, 100, '"e"', '{}', '{"type":"logs"}', '[]', '[]')
"""
FILES = """
INSERT INTO files (key, project_id, public_id, created_at, filename, purpose, size_bytes)
VALUES (1, 1, 'file-1', 100, '"rows.jsonl"', 'evals', 13500)
"""
RUNS = """
INSERT INTO runs (key, project_id, eval_key, public_id, created_at, updated_at, status, name, model, metadata,
    data_source, has_inline_rows, file_id, warnings)
VALUES (1, 1, 1, 'evalrun_1', 100, 100, 'in_progress', '"a"', '""', '{}', '{"type":"jsonl","source":{}}', TRUE, NULL,
    '[]'),
    (2, 1, 1, 'evalrun_2', 100, 100, 'queued', '"b"', '""', '{}', '{"type":"jsonl","source":{}}', FALSE, 'file-1', '[]')
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
        command.upgrade(config, "0003")
        for statement in (EVALS, FILES, RUNS):
            connection.execute(text(statement))
        connection.commit()
    engine.dispose()


async def test_runs_over_files_learn_how_long_these_were_when_they_were_uploaded(older_url: URL) -> None:
    upgrade_database(older_url)
    async with opened(older_url) as database, database.read() as tx:
        inline = await get_run_by_key(tx, DEFAULT_PROJECT, 1)
        over_file = await get_run_by_key(tx, DEFAULT_PROJECT, 2)
    assert (inline.status, inline.source_bytes, inline.evaluated_by, inline.deaths) == (
        RunStatus.IN_PROGRESS,
        None,
        None,
        0,
    )
    assert (over_file.status, over_file.source_bytes, over_file.deaths) == (RunStatus.QUEUED, 13500, 0)
