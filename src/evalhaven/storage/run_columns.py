"""Queries on the columns of runs: what reports and comparisons need of all items, without reading the items.

Columns are made once a run has ended, some ten thousand items at a time, each part in a transaction of its own. They
show one version of the run's items; if items change, they are outdated and made again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, case, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.statuses import ItemStatus, RunStatus
from evalhaven.storage.keyset import Query
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import has_outdated_columns, output_items, run_column_heads, run_columns, runs

_IN_PARTS = {"yield_per": 256}
_FINAL = [status for status in RunStatus if status.is_final]
_KEY = (output_items.c.position, output_items.c.repeat)
_ITEMS: Query = (
    select(
        *_KEY,
        output_items.c.status,
        output_items.c.score,
        output_items.c.latency_ms,
        output_items.c.tokens,
        output_items.c.item_hash,
        output_items.c.item,
        output_items.c.grades,
        output_items.c.error_code,
        case((output_items.c.status == ItemStatus.ERROR.value, output_items.c.sample)).label("sample"),
    )
    .where(output_items.c.run_key == bindparam("run_key"), output_items.c.project_id == bindparam("project_id"))
    .order_by(*_KEY)
    .limit(bindparam("rows"))
)
_TEXTS: Query = (
    select(*_KEY, output_items.c.status, output_items.c.item)
    .where(output_items.c.run_key == bindparam("run_key"), output_items.c.project_id == bindparam("project_id"))
    .order_by(*_KEY)
    .limit(bindparam("rows"))
)
_NEXT_TEXTS = _TEXTS.where(tuple_(*_KEY) > tuple_(bindparam("position"), bindparam("repeat")))
_NEXT_ITEMS = _ITEMS.where(tuple_(*_KEY) > tuple_(bindparam("position"), bindparam("repeat")))


@dataclass(frozen=True, slots=True)
class OutdatedRun:
    """A run that has ended and whose columns do not show its items."""

    key: int
    scope: ProjectScope
    items_version: int
    is_imported: bool


@dataclass(frozen=True, slots=True)
class ColumnsHead:
    """How far the columns of a run have been made.

    Attributes:
        items_version: The version of the run's items that they show.
        form: Which release's columns they are.
        parts: Number of complete parts.
        items: Number of items in them.
        last: Position and repeat of the last of these items; None before the first.
        codes: What the codes in the columns stand for.
    """

    items_version: int
    form: int
    parts: int = 0
    items: int = 0
    last: tuple[int, int] | None = None
    codes: JsonValue = None


async def list_outdated_runs(tx: ReadTransaction, _scope: EngineScope, limit: int) -> list[OutdatedRun]:
    """Return runs that have ended and whose columns have to be made, the newest first."""
    query = (
        select(runs.c.key, runs.c.project_id, runs.c.items_version, runs.c.imported_at)
        .where(has_outdated_columns, runs.c.status.in_(_FINAL), runs.c.deleted_at.is_(None))
        .order_by(runs.c.key.desc())
        .limit(limit)
    )
    rows = (await tx.execute(query)).all()
    return [
        OutdatedRun(row.key, ProjectScope(row.project_id), row.items_version, row.imported_at is not None)
        for row in rows
    ]


async def find_items_version(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> tuple[int, int]:
    """Return the version of a run's items, and the version that its columns show."""
    query = select(runs.c.items_version, runs.c.columns_version).where(
        runs.c.key == run_key, runs.c.project_id == scope.project_id
    )
    row = (await tx.execute(query)).one()
    return row.items_version, row.columns_version


async def find_columns_head(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> ColumnsHead | None:
    """Return how far the columns of a run have been made; None if nothing of them is there."""
    table = run_column_heads
    query = select(table).where(table.c.run_key == run_key, table.c.project_id == scope.project_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    last = None if row.last_position is None else (row.last_position, row.last_repeat)
    return ColumnsHead(row.items_version, row.form, row.parts, row.items, last, jsontext.parse(row.codes))


async def list_items_for_columns(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, after: tuple[int, int] | None, limit: int, most_bytes: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return what columns are made of, in order of position and repeat.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        after: Position and repeat of the last item before these; None to begin.
        limit: Most rows.
        most_bytes: After how many characters of text no further row is read.
    """
    query, values = _ITEMS, {"run_key": run_key, "project_id": scope.project_id, "rows": limit}
    if after is not None:
        query, values = _NEXT_ITEMS, {**values, "position": after[0], "repeat": after[1]}
    found: list[Row[*tuple[Any, ...]]] = []
    size = 0
    async with tx.stream(query, values, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            found.append(row)
            size += len(row.item) + len(row.grades) + len(row.sample or "")
            if size > most_bytes:
                break
    return found


async def list_item_texts(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, after: tuple[int, int] | None, limit: int, most_bytes: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return position, repeat, status and item of output items, in order; arguments as for `list_items_for_columns`."""
    query, values = _TEXTS, {"run_key": run_key, "project_id": scope.project_id, "rows": limit}
    if after is not None:
        query, values = _NEXT_TEXTS, {**values, "position": after[0], "repeat": after[1]}
    found: list[Row[*tuple[Any, ...]]] = []
    size = 0
    async with tx.stream(query, values, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            found.append(row)
            size += len(row.item)
            if size > most_bytes:
                break
    return found


async def store_columns_part(
    tx: AsyncConnection, scope: ProjectScope, run_key: int, columns: Mapping[str, bytes], head: ColumnsHead
) -> None:
    """Store the next part of a run's columns, and how far they are now; the first part replaces whatever is there.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        run_key: The run.
        columns: Values of each column for the items of the part.
        head: How far the columns are with this part.
    """
    if head.parts <= 1:
        await _forget_columns(tx, scope, run_key)
    for name, data in columns.items():
        values = {"run_key": run_key, "name": name, "part": head.parts - 1}
        await tx.execute(insert(run_columns).values(**values, project_id=scope.project_id, data=data))
    position, repeat = head.last or (None, None)
    values = {
        "items_version": head.items_version,
        "form": head.form,
        "parts": head.parts,
        "items": head.items,
        "last_position": position,
        "last_repeat": repeat,
        "codes": jsontext.render(head.codes),
    }
    of_run = (run_column_heads.c.run_key == run_key) & (run_column_heads.c.project_id == scope.project_id)
    if head.parts <= 1:
        await tx.execute(insert(run_column_heads).values(run_key=run_key, project_id=scope.project_id, **values))
    else:
        await tx.execute(update(run_column_heads).where(of_run).values(values))


async def finish_columns(tx: AsyncConnection, scope: ProjectScope, run_key: int, items_version: int) -> bool:
    """Mark the columns of a run as complete; False: its items have changed meanwhile."""
    done = await tx.execute(
        update(runs)
        .where(
            runs.c.key == run_key,
            runs.c.project_id == scope.project_id,
            runs.c.items_version == items_version,
            runs.c.deleted_at.is_(None),
        )
        .values(columns_version=items_version)
    )
    return done.rowcount == 1


async def mark_other_forms_outdated(tx: AsyncConnection, _scope: EngineScope, form: int) -> None:
    """Mark the columns that another release made in another form as outdated."""
    made = select(run_column_heads.c.run_key).where(run_column_heads.c.form != form)
    await tx.execute(update(runs).where(runs.c.key.in_(made)).values(columns_version=-1))


async def read_columns(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, names: Sequence[str]
) -> dict[str, dict[int, bytes]]:
    """Return the parts of some columns of a run by name and number; a part without any value may be absent."""
    table = run_columns
    query = select(table.c.name, table.c.part, table.c.data).where(
        table.c.run_key == run_key, table.c.project_id == scope.project_id, table.c.name.in_(names)
    )
    found: dict[str, dict[int, bytes]] = {name: {} for name in names}
    for row in (await tx.execute(query)).all():
        found[row.name][row.part] = row.data
    return found


async def _forget_columns(tx: AsyncConnection, scope: ProjectScope, run_key: int) -> None:
    for table in (run_columns, run_column_heads):
        await tx.execute(delete(table).where(table.c.run_key == run_key, table.c.project_id == scope.project_id))
