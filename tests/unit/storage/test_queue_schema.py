"""Facts about the queue's schema: it is Procrastinate's own, of the installed version, and in nobody's way."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from procrastinate.schema import SchemaManager
from sqlalchemy import URL, Connection, inspect, select

from evalhaven.storage.database import Database, postgresql_url, sync_engine
from evalhaven.storage.queue.migrating import migrate_queue, shipped_migrations
from evalhaven.storage.queue.tables import SCHEMA, applied_migrations, queue_metadata
from tests.databases import PostgresServer

_FIRST_OF_3_1 = "03.01"


def _functions(connection: Connection) -> dict[str, str]:
    query = "SELECT proname, prosrc FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = %(schema)s"
    return {row[0]: row[1] for row in connection.exec_driver_sql(query, {"schema": SCHEMA})}


def test_migrations_apply_all_that_the_installed_queue_ships(postgresql_database_url: URL) -> None:
    engine = sync_engine(postgresql_database_url)
    with engine.connect() as connection:
        applied = connection.execute(select(applied_migrations.c.name).order_by(applied_migrations.c.name)).scalars()
        assert list(applied) == list(shipped_migrations())
    engine.dispose()


def test_migrations_make_exactly_the_queue_tables_of_the_code(postgresql_database_url: URL) -> None:
    engine = sync_engine(postgresql_database_url)

    def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
        return name == SCHEMA if kind == "schema" else not (kind == "table" and str(name).startswith("procrastinate"))

    options = {"include_schemas": True, "include_name": is_ours, "compare_type": True}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, queue_metadata) == []
    engine.dispose()


def test_the_queue_is_in_a_schema_of_its_own(postgresql_database_url: URL) -> None:
    engine = sync_engine(postgresql_database_url)
    with engine.connect() as connection:
        found = inspect(connection)
        assert not [name for name in found.get_table_names(schema="public") if name.startswith("procrastinate")]
        assert "procrastinate_jobs" in found.get_table_names(schema=SCHEMA)
    engine.dispose()


async def test_every_connection_finds_the_queue_after_the_tables_that_are_its_own(
    postgresql_database: Database,
) -> None:
    async with postgresql_database.read() as tx:
        path: str = (await tx.exec_driver_sql("SHOW search_path")).scalar_one()
        assert path.rsplit(", ", maxsplit=1)[-1] == SCHEMA
        assert (await tx.exec_driver_sql("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")).scalar_one()


@pytest.mark.parametrize("own_path", ["", "?options=-csearch_path%3Dmine"])
def test_tables_of_ours_are_made_where_they_were_made_before(postgres: PostgresServer, own_path: str) -> None:
    engine = sync_engine(postgresql_url(postgres.new_database() + own_path))
    with engine.begin() as connection:
        before = connection.exec_driver_sql("SHOW search_path").scalar_one()
        migrate_queue(connection)
        assert connection.exec_driver_sql("SHOW search_path").scalar_one() == before
    engine.dispose()


def test_a_queue_of_an_older_version_gets_what_it_lacks_and_becomes_the_same(
    postgres: PostgresServer, postgresql_database_url: URL
) -> None:
    # Older versions are not shipped as a whole, only the steps that led to them.
    older = sync_engine(postgresql_url(postgres.new_database() + f"?options=-csearch_path%3D{SCHEMA}"))
    steps = [name for name in shipped_migrations() if name < _FIRST_OF_3_1]
    with older.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        applied_migrations.create(connection)
        for name in steps:
            text = (Path(SchemaManager.get_migrations_path()) / name).read_text()
            connection.exec_driver_sql(text, execution_options={"no_parameters": True})
            connection.execute(applied_migrations.insert().values(name=name))
        assert not inspect(connection).has_table("procrastinate_workers", schema=SCHEMA)
    with older.begin() as connection:
        migrate_queue(connection)
        after_steps = _functions(connection)
    older.dispose()
    fresh = sync_engine(postgresql_database_url)
    with fresh.connect() as connection:
        assert after_steps == _functions(connection)
    fresh.dispose()


def test_a_second_time_changes_nothing(postgresql_database_url: URL) -> None:
    engine = sync_engine(postgresql_database_url)
    with engine.begin() as connection:
        before = connection.execute(select(applied_migrations)).all()
        migrate_queue(connection)
        assert connection.execute(select(applied_migrations)).all() == before
    engine.dispose()
