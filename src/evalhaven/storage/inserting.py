"""Inserting many rows at once, those left out that are there already."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Table, bindparam, func, select

from evalhaven.storage.reading import WriteTransaction

_ROWS_A_STATEMENT = (256, 64, 16, 4, 1)  # only a few sizes, since each connection keeps a prepared statement for each


async def insert_new(tx: WriteTransaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows, skipping those that break a unique key, and return how many were inserted.

    Args:
        tx: Open write transaction.
        table: The table to insert into.
        rows: Values by column; every row has the same columns.
    """
    if tx.dialect.name != "postgresql":
        return await _insert_new_sqlite(tx, table, rows)
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 - loads slowly, and SQLite needs none of it

    # One statement with an array for each column costs half as much as a statement for each row.
    columns = {name: table.c[name] for name in rows[0]}
    arrays = [bindparam(name, type_=ARRAY(column.type)) for name, column in columns.items()]
    unnested = func.unnest(*arrays).table_valued(*columns.values(), name="new").render_derived()
    statement = insert(table).from_select(list(columns), select(unnested)).on_conflict_do_nothing()
    values = {name: [row[name] for row in rows] for name in columns}
    return (await tx.execute(statement, values, execution_options={"preserve_rowcount": True})).rowcount


async def _insert_new_sqlite(tx: WriteTransaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows, many per statement.

    A statement runs without Python's lock and then waits to take the lock again. With one statement per row, this
    thread and the event loop would pass the lock back and forth for each row.
    """
    columns = tuple(rows[0])
    binders = [(name, table.c[name].type.dialect_impl(tx.dialect).bind_processor(tx.dialect)) for name in columns]
    first = inserted = 0
    while first < len(rows):
        size = next(size for size in _ROWS_A_STATEMENT if size <= len(rows) - first)
        part = rows[first : first + size]
        first += size
        # A list first: a generator would cost twice as much for each of these values.
        values = [row[name] if bind is None else bind(row[name]) for row in part for name, bind in binders]
        statement = _insert_statement(table.name, columns, len(part))
        inserted += (await tx.exec_driver_sql(statement, tuple(values))).rowcount
    return inserted


@cache
def _insert_statement(table: str, columns: Sequence[str], rows: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"  # noqa: S608
