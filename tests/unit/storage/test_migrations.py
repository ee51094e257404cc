"""Facts about the schema: the migrations make exactly the tables that the code uses."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine, inspect, select

from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage.database import Database, open_database, schema_revisions, sqlite_url, upgrade_database
from evalhaven.storage.projects import check_project
from evalhaven.storage.tables import metadata, projects


def test_migrations_make_exactly_the_tables_of_the_code(migrated_file: Path) -> None:
    engine = create_engine(sqlite_url(migrated_file).set(drivername="sqlite"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, metadata)
        names = {index["name"] for table in metadata.tables for index in inspect(connection).get_indexes(table)}
    engine.dispose()

    assert differences == []
    assert {index.name for table in metadata.tables.values() for index in table.indexes} <= names


def test_clustered_tables_have_no_row_ids(migrated_file: Path) -> None:
    engine = create_engine(sqlite_url(migrated_file).set(drivername="sqlite"))
    with engine.connect() as connection:
        made = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE sql LIKE '%WITHOUT ROWID%'").scalars()
        assert set(made) == {"chunks", "output_items"}
    engine.dispose()


def test_every_table_belongs_to_a_project() -> None:
    without = [name for name, table in metadata.tables.items() if "project_id" not in table.c]

    assert without == ["projects"]


async def test_a_fresh_database_has_the_default_project(database: Database) -> None:
    async with database.read() as tx:
        await check_project(tx, DEFAULT_PROJECT)
        ids = (await tx.execute(select(projects.c.id))).scalars().all()

    assert list(ids) == [DEFAULT_PROJECT.project_id]


def test_a_second_upgrade_changes_nothing(database_url: URL) -> None:
    before = schema_revisions(database_url)
    upgrade_database(database_url)

    assert schema_revisions(database_url) == before
    assert before[0] == before[1] is not None


def test_an_empty_database_has_no_revision(tmp_path: Path) -> None:
    current, wanted = schema_revisions(sqlite_url(tmp_path / "empty.db"))

    assert current is None
    assert wanted is not None


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
async def test_connections_are_durable_and_checked(database_url: URL, pragma: str, value: object) -> None:
    database = open_database(database_url)
    async with database.read() as tx:
        assert (await tx.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one() == value
    await database.close()
