"""Upgrading the database's schema to this release by migrations.

A process that finds its database ready does not import this module, and starts sooner without Alembic.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import Any

import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from evalhaven.storage.database import sync_engine
from evalhaven.storage.revisions import NewerDatabaseError, UnusableDatabaseError, schema_revisions

_UPGRADE_LOCK = 0x65_76_61_6C  # "eval"; of PostgreSQL's advisory locks
_LOCK_POLL_S = 0.5
_HELD_UP = ("55P03", "40P01")  # a lock that was not free in time, and a deadlock
_HOLDERS = text("""
SELECT string_agg(pid || ' (' || coalesce(nullif(application_name, ''), usename) || ')', ', ')
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND xact_start < clock_timestamp() - make_interval(secs => :age)
""")


@dataclass(frozen=True, slots=True)
class UpgradePatience:
    """How an upgrade of PostgreSQL waits for others, who have to wait behind it meanwhile.

    Attributes:
        lock_timeout_s: How long a statement waits for a lock; so long, nobody else gets one of that table.
        pause_s: How long others may go on before it is tried again.
        for_s: How long it is tried before the upgrade is given up.
    """

    lock_timeout_s: float = 5.0
    pause_s: float = 5.0
    for_s: float = 600.0


def upgrade_database(url: URL, patience: UpgradePatience | None = None) -> None:
    """Upgrade the schema to this release, creating it in an empty database.

    Args:
        url: Where the database is.
        patience: How long it waits for others; None: the default.

    Raises:
        NewerDatabaseError: The database's revision is not one of this release.
        UnusableDatabaseError: The database's encoding cannot store texts in all languages, or somebody holds locks.
    """
    current, wanted = schema_revisions(url)
    if current == wanted:
        return  # without a lock, which would mean waiting for a writer that is just being killed
    engine = sync_engine(url)
    if engine.dialect.name == "sqlite":
        _begin_transactions(engine)
    try:
        with engine.connect() as connection, _only_upgrade(connection):
            _upgrade_patiently(connection, patience or UpgradePatience())
    except CommandError as error:
        raise NewerDatabaseError(str(error)) from error
    finally:
        engine.dispose()


def _upgrade_patiently(connection: Connection, patience: UpgradePatience) -> None:
    """Take all steps, each as often as others hold locks for too long; what has been taken stays."""
    log = structlog.get_logger("evalhaven")
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET lock_timeout = '{patience.lock_timeout_s * 1000:.0f}ms'")
        connection.commit()
    config = _alembic_config()
    config.attributes["connection"] = connection
    deadline = time.monotonic() + patience.for_s
    while True:
        try:
            command.upgrade(config, "head")
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _HELD_UP:
                raise
            connection.rollback()
            holders = _lock_holders(connection, patience)
            if time.monotonic() > deadline:
                raise UnusableDatabaseError(
                    f"its upgrade has waited for {patience.for_s:.0f} s for transactions of others, such as those of "
                    f"the database's processes {holders}; end them (pg_terminate_backend) and start again"
                ) from error
            log.warning("upgrade_held_up", by=holders, next_try_in_s=patience.pause_s)
            time.sleep(patience.pause_s)
        else:
            connection.commit()
            return


def _lock_holders(connection: Connection, patience: UpgradePatience) -> str:
    """Return who has had a transaction open for as long as the upgrade has waited."""
    holders = connection.execute(_HOLDERS, {"age": patience.lock_timeout_s}).scalar_one()
    connection.rollback()
    return holders or "that have ended by now"


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
    has_told = False
    # Not by waiting for the lock: that would be a transaction, which holds up whoever upgrades.
    while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_UPGRADE_LOCK})").scalar_one():
        connection.rollback()
        if not has_told:
            structlog.get_logger("evalhaven").warning("waiting_for_upgrade", reason="another process upgrades")
            has_told = True
        time.sleep(_LOCK_POLL_S)
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
