"""Procrastinate's schema, brought to the version of the installed package by our own migrations.

A revision of ours calls `migrate_queue` whenever the package brings migrations that the previous one did not have. A
database without any gets the package's whole schema. Names are recorded, because Procrastinate records none.
"""

from collections.abc import Sequence
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable

from sqlalchemy import Connection, insert, select, text

from evalhaven.storage.queue.tables import SCHEMA, applied_migrations

# They are sent as they are: a percent sign in them is no placeholder.
_AS_IT_IS = {"no_parameters": True}


def shipped_migrations() -> Sequence[str]:
    """Return the names of the installed package's migrations, in the order in which they are applied."""
    return sorted(path.name for path in (_sql() / "migrations").iterdir() if path.name.endswith(".sql"))


def migrate_queue(connection: Connection) -> None:
    """Make the schema that the installed package expects, or bring an older one to it; within one transaction."""
    path: str = connection.exec_driver_sql("SHOW search_path").scalar_one()
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    connection.exec_driver_sql(f"SET LOCAL search_path TO {SCHEMA}")
    applied_migrations.create(connection, checkfirst=True)
    known = set(connection.execute(select(applied_migrations.c.name)).scalars())
    lacking = [name for name in shipped_migrations() if name not in known]
    steps = [_sql() / "migrations" / name for name in lacking] if known else [_sql() / "schema.sql"]
    for step in steps:
        connection.exec_driver_sql(step.read_text(encoding="utf-8"), execution_options=_AS_IT_IS)
    if lacking:
        connection.execute(insert(applied_migrations), [{"name": name} for name in lacking])
    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": path})


def _sql() -> Traversable:
    return package_files("procrastinate") / "sql"
