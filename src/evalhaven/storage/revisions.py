"""Which revision a database's schema has, and which one this release needs.

Both are read without Alembic, which would take a tenth of a server's start to load: only `storage/schema.py` needs it.
"""

from importlib.resources import files as package_files

from sqlalchemy import URL, inspect

from evalhaven.storage.database import sync_engine


class UnusableDatabaseError(Exception):
    """A PostgreSQL database cannot hold Evalhaven's data; the message says why."""


class NewerDatabaseError(Exception):
    """A database has a revision that this release does not know; the message names it."""


def schema_revisions(url: URL) -> tuple[str | None, str]:
    """Return the schema revision of a database (None: empty) and the one that this release needs."""
    engine = sync_engine(url)
    try:
        with engine.connect() as connection:
            current: str | None = None
            if inspect(connection).has_table("alembic_version"):
                current = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    finally:
        engine.dispose()
    return current, newest_revision()


def is_usable_though_newer(url: URL) -> bool:
    """Tell whether a database of a newer release can be used by this one, as it can while one follows the other."""
    engine = sync_engine(url)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("compatibility"):
                return False
            oldest: str | None = connection.exec_driver_sql(
                "SELECT oldest_revision FROM compatibility"
            ).scalar_one_or_none()
    finally:
        engine.dispose()
    return oldest is not None and oldest <= newest_revision()


def newest_revision() -> str:
    """Return the revision of the newest migration: the names of their modules begin with it."""
    modules = (package_files("evalhaven.storage") / "migrations" / "versions").iterdir()
    return max(module.name.partition("_")[0] for module in modules if module.name[0].isdigit())
