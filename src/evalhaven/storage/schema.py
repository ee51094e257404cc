"""The database's schema: which one it has, and bringing it to this release by migrations.

A process that finds its database ready (the executor) does without this module, and starts sooner without Alembic.
"""

from collections.abc import Generator
from contextlib import contextmanager
from importlib.resources import files as package_files
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, event

from evalhaven.storage.database import sync_engine

_UPGRADE_LOCK = 0x65_76_61_6C  # "eval"; of PostgreSQL's advisory locks


class UnusableDatabaseError(Exception):
    """A PostgreSQL database cannot hold what is stored here; the message says why."""


def upgrade_database(url: URL) -> None:
    """Bring the schema to this release, creating it in a database where there is none.

    Raises:
        UnusableDatabaseError: Texts in all languages cannot be stored in it.
    """
    current, wanted = schema_revisions(url)
    if current == wanted:
        return  # without a lock, for which a writer that is just being killed would have to be waited
    engine = sync_engine(url)
    if engine.dialect.name == "sqlite":
        _begin_transactions(engine)
    try:
        with engine.connect() as connection, _only_upgrade(connection):
            config = _alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    finally:
        engine.dispose()


def _begin_transactions(engine: Engine) -> None:
    """Let SQLite have transactions that hold changes of the schema too: its driver would begin them too late."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None
        # A table that is copied is dropped while others refer to it, and its copy gets its name.
        connection.execute("PRAGMA foreign_keys=OFF")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _only_upgrade(connection: Connection) -> Generator[None]:
    """Let one process at a time migrate; on SQLite the lock of the data directory sees to it."""
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


def schema_revisions(url: URL) -> tuple[str | None, str | None]:
    """Return the schema revision of a database (None: empty) and the one this release wants."""
    engine = sync_engine(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return current, ScriptDirectory.from_config(_alembic_config()).get_current_head()


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(package_files("evalhaven.storage") / "migrations"))
    return config
