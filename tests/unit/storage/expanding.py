"""What a step of the schema takes away from the release before it, which may be at work beside the new one."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, inspect

from evalhaven.storage.queue.tables import SCHEMA

Columns = Mapping[str, tuple[str, bool, bool]]
"""The type of each column, whether it may be NULL, and whether it has a value if none is given."""


@dataclass(frozen=True)
class Schema:
    """What statements of a release depend on.

    Attributes:
        tables: The columns of each table.
        unique: What has to be unique in each.
    """

    tables: Mapping[str, Columns]
    unique: Mapping[str, frozenset[tuple[str, ...]]]


def schema_of(connection: Connection) -> Schema:
    """Return the schema of a database; Procrastinate's own tables are its own affair."""
    found = inspect(connection)
    tables: dict[str, Columns] = {}
    unique: dict[str, frozenset[tuple[str, ...]]] = {}
    for schema in (None, *([SCHEMA] if connection.dialect.name == "postgresql" else [])):
        for table in found.get_table_names(schema=schema):
            if table.startswith("procrastinate") or table == "alembic_version":
                continue
            columns = found.get_columns(table, schema=schema)
            tables[table] = {
                each["name"]: (str(each["type"]), bool(each["nullable"]), each["default"] is not None)
                for each in columns
            }
            indexes = [each["column_names"] for each in found.get_indexes(table, schema=schema) if each["unique"]]
            constraints = [each["column_names"] for each in found.get_unique_constraints(table, schema=schema)]
            unique[table] = frozenset(tuple(str(name) for name in names) for names in (*indexes, *constraints))
    return Schema(tables, unique)


def losses(before: Schema, after: Schema) -> dict[str, str]:
    """Return what statements of the release before would miss or stumble over, by the table or `table.column`."""
    found: dict[str, str] = {}
    for table, columns in before.tables.items():
        if table not in after.tables:
            found[table] = "is gone"
            continue
        now = after.tables[table]
        for name, (kind, is_nullable, has_default) in columns.items():
            if name not in now:
                found[f"{table}.{name}"] = "is gone"
                continue
            kind_now, is_nullable_now, has_default_now = now[name]
            if kind_now != kind:
                found[f"{table}.{name}"] = f"was {kind} and is {kind_now}"
            if is_nullable and not is_nullable_now:
                found[f"{table}.{name}"] = "must have a value from now on"
            if has_default and not has_default_now:
                found[f"{table}.{name}"] = "has no value by itself any more"
        for name in now.keys() - columns.keys():
            if not now[name][1] and not now[name][2]:
                found[f"{table}.{name}"] = "is new and needs a value, which the release before does not give"
        for names in after.unique[table] - before.unique[table]:
            if set(names) <= columns.keys():
                found[f"{table}.{names[0]}"] = "has to be unique from now on"
    return found


def unlawful(
    lost: Mapping[str, str], contracts: Mapping[str, str], releases: Sequence[str], *, raises_oldest: bool
) -> list[str]:
    """Return what is wrong with what a step takes away.

    Args:
        lost: What it takes away.
        contracts: What it says of that itself: the last release that used each.
        releases: Those that were made, the newest first.
        raises_oldest: Whether the step shuts out the releases that used it.
    """
    wrong = [f"{name} {what}" for name, what in lost.items() if contracts.get(name) not in releases[1:]]
    if lost and not raises_oldest:
        wrong.append("compatibility.oldest_revision is as before")
    return wrong


def slow_statements(source: str, unused: Collection[str] = ()) -> Iterator[str]:
    """Yield what in a revision makes all writers of a table in use wait for as long as the table is large.

    Args:
        source: The revision's.
        unused: Tables that no release before has written to.
    """
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = {*unused, *(_first(call) for call in calls if _name(call) == "create_table")}
    for call in calls:
        name, keywords = _name(call), {each.arg: each.value for each in call.keywords}
        if name == "create_index" and _argument(call, 1) not in made and "postgresql_concurrently" not in keywords:
            yield f"create_index on {_argument(call, 1)}: build it concurrently, in a step of its own"
        if name in ("create_foreign_key", "create_check_constraint") and "postgresql_not_valid" not in keywords:
            yield f"{name} on {_argument(call, 1)}: add it NOT VALID, and validate it in a later step"
        if name == "execute" and re.search(r"\b(UPDATE|DELETE)\b", ast.unparse(call)):
            yield f"{ast.unparse(call)[:60]}: rows are changed in batches, by the executor"
    altered = {_first(call) for call in calls if _name(call) in ("add_column", "alter_column", "drop_column")} - made
    if len(altered) > 1:
        yield f"{', '.join(sorted(map(str, altered)))}: a step locks one table in use"


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _argument(call: ast.Call, place: int) -> Any:
    found = call.args[place] if len(call.args) > place else None
    return found.value if isinstance(found, ast.Constant) else None


def _first(call: ast.Call) -> Any:
    return _argument(call, 0)
