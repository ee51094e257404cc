"""The upgrade that adds up months: what runs have cost so far in this month is spent, as it was before."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import URL, text

from evalhaven.access.limits import month_of
from evalhaven.domain.spending import ModelUsage, Spending
from evalhaven.storage.database import postgresql_url, sqlite_url, sync_engine
from evalhaven.storage.schema import _alembic_config, upgrade_database
from evalhaven.storage.spending import spending_values
from tests.databases import PostgresServer

_EVAL = """
INSERT INTO evals (key, project_id, public_id, created_at, updated_at, name, metadata, data_source_config,
    testing_criteria, warnings)
VALUES (1, 1, 'eval_1', 100, 100, '"e"', '{}', '{"type":"logs"}', '[]', '[]')
"""
_RUN = """
INSERT INTO runs (key, project_id, eval_key, public_id, created_at, updated_at, status, name, model, metadata,
    data_source, has_inline_rows, warnings, deaths, spending, imported_at)
VALUES (:key, 1, 1, :id, :at, :at, 'completed', '"a"', '""', '{}', '{}', TRUE, '[]', 0, :spending, :imported)
"""


@pytest.fixture
def empty_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[URL]:
    if database_kind == "sqlite":
        yield sqlite_url(tmp_path / "older.db")
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with postgres.temporary_database() as address:
        yield postgresql_url(address)


def test_a_month_begins_with_what_its_runs_have_cost(empty_url: URL) -> None:
    now = int(time.time())
    usage = ModelUsage("gpt", "target", calls=2, priced_cost=1.25)
    spending = json.dumps(spending_values(Spending((usage, usage))))
    engine = sync_engine(empty_url)
    with engine.connect() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0019")
        connection.execute(text(_EVAL))
        stored = ((now, spending, None), (now, None, None), (100, spending, None), (now, spending, now))
        for key, (at, spent, imported) in enumerate(stored, 1):
            values = {"key": key, "id": f"evalrun_{key}", "at": at, "spending": spent, "imported": imported}
            connection.execute(text(_RUN), values)
        purged = "INSERT INTO purged_costs (project_id, month, cost) VALUES (1, :month, 4.0), (1, 197001, 9.0)"
        connection.execute(text(purged), {"month": month_of(now)})
        connection.commit()
    upgrade_database(empty_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT project_id, month, cost FROM month_costs")).all() == [
            (1, month_of(now), 6.5)
        ]
    engine.dispose()
