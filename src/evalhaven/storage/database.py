"""The database connection: one engine, short read and write transactions, migrations.

A write transaction on SQLite begins IMMEDIATE, so it never fails half-way for want of the lock; every commit is
durable (WAL, synchronous=FULL). Whoever opens a transaction commits it: storage functions never do.
"""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, cast

import anyio
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as ConnectionsBusyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

_BUSY_TIMEOUT_S = 30
_WRITERS = 6
_READ_ONLY = "evalhaven_read_only"


class Database:
    """An open database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # Writers that wait for each other must not take the connections that readers need.
        self._writers = anyio.Semaphore(_WRITERS)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """Open a read transaction: one consistent view, never waiting for a writer."""
        async with self._engine.connect() as connection:
            await connection.execution_options(**{_READ_ONLY: True})
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """Open a write transaction; it commits at the end of the block and rolls back on an exception."""
        async with self._writers, self._engine.begin() as connection:
            yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def open_database(url: URL) -> Database:
    """Open a migrated database."""
    if url.get_backend_name() != "sqlite":
        return Database(create_async_engine(url, hide_parameters=True))
    engine = create_async_engine(
        url,
        hide_parameters=True,  # prompts and items, which an error would carry into the log
        poolclass=AsyncAdaptedQueuePool,
        pool_size=4,
        max_overflow=12,
        connect_args={"timeout": _BUSY_TIMEOUT_S},
    )
    _prepare_sqlite(engine.sync_engine)
    return Database(engine)


def sqlite_url(path: Path) -> URL:
    """Return the URL of a SQLite file."""
    return URL.create("sqlite+aiosqlite", database=str(path))


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        # Without this the driver begins transactions by itself, and too late: after the first read.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def insert_into(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that knows ON CONFLICT, in the connection's dialect."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def is_unavailable(error: Exception) -> bool:
    """Tell whether an error says that the database cannot write now (disk full, locked, gone) but may later."""
    if isinstance(error, ExceptionGroup):
        return all(is_unavailable(each) for each in cast("ExceptionGroup[Exception]", error).exceptions)
    if isinstance(error, ConnectionsBusyError):
        return True
    if not isinstance(error, OperationalError):
        return False
    # To SQLite a mistake in a statement is an operational error too, and waiting does not mend it.
    return getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR


def upgrade_database(url: URL) -> None:
    """Bring the schema to this release, creating the database where there is none."""
    with _sync_engine(url).connect() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def schema_revisions(url: URL) -> tuple[str | None, str | None]:
    """Return the schema revision of a database (None: empty) and the one this release wants."""
    engine = _sync_engine(url)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return current, ScriptDirectory.from_config(_alembic_config()).get_current_head()


def _sync_engine(url: URL) -> Engine:
    is_sqlite = url.get_backend_name() == "sqlite"
    return create_engine(url.set(drivername="sqlite") if is_sqlite else url, hide_parameters=True)


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(package_files("evalhaven.storage") / "migrations"))
    return config
