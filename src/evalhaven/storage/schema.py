"""Upgrading the database's schema to this release by migrations.

A process that finds its database ready does not import this module, and starts sooner without Alembic.
"""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files as package_files
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, event

from evalhaven.storage.database import sync_engine
from evalhaven.storage.revisions import NewerDatabaseError, UnusableDatabaseError, schema_revisions

_UPGRADE_LOCK = 0x65_76_61_6C  # "eval"; of PostgreSQL's advisory locks


def upgrade_database(url: URL) -> None:
    """Upgrade the schema to this release, creating it in an empty database.

    Raises:
        NewerDatabaseError: The database's revision is not one of this release.
        UnusableDatabaseError: The database's encoding cannot store texts in all languages.
    """
    current, wanted = schema_revisions(url)
    if current == wanted:
        return  # without a lock, which would mean waiting for a writer that is just being killed
    engine = sync_engine(url)
    if engine.dialect.name == "sqlite":
        _begin_transactions(engine)
    try:
        with engine.connect() as connection, _only_upgrade(connection):
            config = _alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except CommandError as error:
        raise NewerDatabaseError(str(error)) from error
    finally:
        engine.dispose()


def _begin_transactions(engine: Engine) -> None:
    """Make SQLite's transactions include schema changes too: by default its driver begins them too late."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None
        # To copy a table, the old one is dropped while others refer to it, and the copy gets its name.
        connection.execute("PRAGMA foreign_keys=OFF")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _only_upgrade(connection: Connection) -> Generator[None]:
    """Let one process at a time migrate; on SQLite the lock of the data directory ensures that."""
    if connection.dialect.name != "postgresql":
        yield
        return
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise UnusableDatabaseError(f"its encoding is {encoding}; make one with CREATE DATABASE … ENCODING 'UTF8'")
    connection.exec_driver_sql(f"SELECT pg_advisory_lock({_UPGRADE_LOCK})")
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_UPGRADE_LOCK})")
        connection.commit()


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(package_files("evalhaven.storage") / "migrations"))
    return config
