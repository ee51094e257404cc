"""Facts about the schema: the migrations make exactly the tables that the code uses."""

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine, inspect, select

from evalhaven.domain.scopes import DEFAULT_PROJECT, OrganizationScope
from evalhaven.logs.partitions.tables import partitioned
from evalhaven.storage.access.request_counts import counts_metadata
from evalhaven.storage.access.tables import metadata
from evalhaven.storage.database import Database, postgresql_url, sqlite_url, sync_engine
from evalhaven.storage.projects import check_projects
from evalhaven.storage.revisions import UnusableDatabaseError, newest_revision, schema_revisions
from evalhaven.storage.schema import _alembic_config, upgrade_database
from evalhaven.storage.tables import projects
from tests.databases import PostgresServer


def test_migrations_make_exactly_the_tables_of_the_code(database_url: URL) -> None:
    # On SQLite, logged calls are in files of their own, and requests are counted in memory.
    of_code: Any = (
        [metadata] if database_url.get_backend_name() == "sqlite" else [metadata, partitioned, counts_metadata]
    )
    tables = {name: table for each in of_code for name, table in each.tables.items()}
    engine = sync_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, of_code)
        names = {index["name"] for table in tables for index in inspect(connection).get_indexes(table)}
    engine.dispose()

    assert differences == []
    assert {index.name for table in tables.values() for index in table.indexes} <= names


def test_clustered_tables_have_no_row_ids(migrated_file: Path) -> None:
    engine = create_engine(sqlite_url(migrated_file).set(drivername="sqlite"))
    with engine.connect() as connection:
        made = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE sql LIKE '%WITHOUT ROWID%'").scalars()
        assert set(made) == {"chunks", "output_items", "sample_cache", "deliveries", "delivery_attempts"}
    engine.dispose()


def test_every_table_belongs_to_a_project_but_what_all_projects_share() -> None:
    without = [name for name, table in metadata.tables.items() if "project_id" not in table.c]

    assert without == ["compatibility", "projects", "model_limits", "model_shares", "people"]


async def test_a_fresh_database_has_the_default_project(database: Database) -> None:
    async with database.read() as tx:
        await check_projects(tx, OrganizationScope())
        ids = (await tx.execute(select(projects.c.id))).scalars().all()

    assert list(ids) == [DEFAULT_PROJECT.project_id]


@pytest.mark.parametrize("name", ["model_limits", "model_shares"])
def test_limits_are_kept_for_a_model_at_an_endpoint_as_limiters_are(name: str) -> None:
    assert [column.name for column in metadata.tables[name].primary_key][:2] == ["endpoint", "model"]


def test_a_second_upgrade_changes_nothing(database_url: URL) -> None:
    before = schema_revisions(database_url)
    upgrade_database(database_url)

    assert schema_revisions(database_url) == before
    assert before[0] == before[1] is not None


def test_a_database_of_this_release_is_opened_while_another_process_writes(sqlite_database_url: URL) -> None:
    with closing(sqlite3.connect(str(sqlite_database_url.database), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        upgrade_database(sqlite_database_url)


def test_the_newest_revision_is_the_one_that_alembic_calls_head() -> None:
    assert newest_revision() == ScriptDirectory.from_config(_alembic_config()).get_current_head()


def test_a_start_with_a_database_of_this_release_loads_no_alembic(migrated_file: Path, tmp_path: Path) -> None:
    shutil.copy(migrated_file, tmp_path / "evalhaven.db")
    start = "import sys; from evalhaven.app import server, upgrade; from evalhaven.settings import Settings; "
    start += "upgrade.upgraded_database(Settings(data_dir=sys.argv[1])); print('alembic' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", start, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_empty_database_has_no_revision(tmp_path: Path) -> None:
    current, wanted = schema_revisions(sqlite_url(tmp_path / "empty.db"))

    assert current is None
    assert wanted is not None


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
async def test_sqlite_is_durable_and_checks_references(sqlite_database: Database, pragma: str, value: object) -> None:
    async with sqlite_database.read() as tx:
        assert (await tx.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one() == value


@pytest.mark.parametrize(
    ("setting", "of_readers", "of_writers"),
    [
        ("transaction_isolation", "repeatable read", "read committed"),
        ("transaction_read_only", "on", "off"),
        ("lock_timeout", "30s", "30s"),
        ("idle_in_transaction_session_timeout", "30s", "30s"),
    ],
)
async def test_postgresql_gives_readers_one_view_and_waits_for_nobody_forever(
    postgresql_database: Database, setting: str, of_readers: str, of_writers: str
) -> None:
    for _ in range(2):  # a connection that was used for the one is used for the other
        async with postgresql_database.read() as tx:
            assert (await tx.exec_driver_sql(f"SHOW {setting}")).scalar_one() == of_readers
        async with postgresql_database.write() as tx:
            assert (await tx.exec_driver_sql(f"SHOW {setting}")).scalar_one() == of_writers


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(UnusableDatabaseError, match="encoding is LATIN1"):
        upgrade_database(postgresql_url(postgres.url("latin")))


def test_two_that_upgrade_at_once_do_not_disturb_each_other(postgres: PostgresServer) -> None:
    url = postgresql_url(postgres.new_database())
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(upgrade_database, url) for _ in range(4)]:
            done.result()

    current, wanted = schema_revisions(url)
    assert current == wanted


@pytest.mark.parametrize("text", ["postgres://u:p@h/name", "postgresql://h/name", "postgresql+psycopg://u@h:1/name"])
def test_an_address_of_postgresql_may_be_written_as_elsewhere(text: str) -> None:
    assert postgresql_url(text).drivername == "postgresql+psycopg"
    assert postgresql_url(text).database == "name"


@pytest.mark.parametrize("text", ["mysql://u:secret@h/name", "sqlite:///x.db", "postgresql://u:secret@h", "secret"])
def test_other_addresses_are_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(ValueError, match="postgresql://user:password@host:5432/name") as refused:
        postgresql_url(text)

    assert "secret" not in str(refused.value)
