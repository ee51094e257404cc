"""Queries on the columns of runs: what reports and comparisons need of all items, without reading the items.

Columns are made some ten thousand items at a time, each part in a transaction of its own: while a run goes on, of what
stays as it is, and the rest once it has ended. Complete, they show one version of the run's items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, bindparam, case, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.statuses import ItemStatus, RunStatus
from evalhaven.storage.keyset import Query
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import (
    has_outdated_columns,
    is_active_run,
    output_items,
    run_column_heads,
    run_columns,
    runs,
)

_IN_PARTS = {"yield_per": 256}
_FEW_AT_ONCE = {"yield_per": 32}
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
)
_TEXTS: Query = (
    select(*_KEY, output_items.c.status, output_items.c.item)
    .where(output_items.c.run_key == bindparam("run_key"), output_items.c.project_id == bindparam("project_id"))
    .order_by(*_KEY)
    .limit(bindparam("rows"))
)
_NEXT_TEXTS = _TEXTS.where(tuple_(*_KEY) > tuple_(bindparam("position"), bindparam("repeat")))
_KEPT_REPORT = "report"  # stands among the columns, all in part 0
_STORED = runs.c.passed + runs.c.failed + runs.c.errored

Key = tuple[int, int]
"""Position and repeat of an item."""


@dataclass(frozen=True, slots=True)
class OutdatedRun:
    """A run whose columns do not show its items.

    Attributes:
        items: Number of its items so far.
        has_ended: Whether its status is final.
    """

    key: int
    scope: ProjectScope
    items_version: int
    items: int
    is_imported: bool = False
    has_ended: bool = True


@dataclass(frozen=True, slots=True)
class ItemsState:
    """What is known of the items of a run at one time.

    Attributes:
        items: Their number.
        items_version: How often they have changed.
        columns_version: The version that complete columns show.
        edition: Of an executed run, how often it was retried: within an edition, nothing is changed that is stored. An
            imported run has a new edition with each change.
    """

    items: int
    items_version: int
    columns_version: int
    edition: int


@dataclass(frozen=True, slots=True)
class ColumnsHead:
    """How far the columns of a run have been made.

    Attributes:
        items_version: The version of the run's items of which the last part was made.
        form: Which release's columns they are.
        parts: Number of parts.
        items: Number of items in them.
        last: Position and repeat of the last of these items.
        codes: What the codes in the columns stand for, and what is known of each part.
    """

    items_version: int
    form: int
    parts: int
    items: int
    last: Key
    codes: JsonValue


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report that was computed once.

    Attributes:
        items_version: The version of the run's items that it is about.
        form: The form of its document.
        document: The report as JSON.
    """

    items_version: int
    form: int
    document: str


async def list_outdated_runs(tx: ReadTransaction, _scope: EngineScope, limit: int) -> list[OutdatedRun]:
    """Return runs that have ended and whose columns have to be made, the newest first."""
    query = (
        select(runs.c.key, runs.c.project_id, runs.c.items_version, runs.c.imported_at, _STORED.label("items"))
        .where(has_outdated_columns, runs.c.status.in_(_FINAL), runs.c.deleted_at.is_(None))
        .order_by(runs.c.key.desc())
        .limit(limit)
    )
    rows = (await tx.execute(query)).all()
    return [
        OutdatedRun(row.key, ProjectScope(row.project_id), row.items_version, row.items, row.imported_at is not None)
        for row in rows
    ]


async def list_growing_runs(tx: ReadTransaction, _scope: EngineScope, form: int, items: int) -> list[OutdatedRun]:
    """Return runs that go on and of which another part of columns may be due, the oldest first.

    Args:
        tx: Open transaction.
        form: The form of columns that counts.
        items: How many items without columns a run must have; a retry may change earlier parts, too.
    """
    heads = run_column_heads
    of_run = (heads.c.run_key == runs.c.key) & (heads.c.project_id == runs.c.project_id) & (heads.c.form == form)
    shown = func.coalesce(heads.c["items"], 0)
    query = (
        select(runs.c.key, runs.c.project_id, runs.c.items_version, _STORED.label("items"))
        .outerjoin(heads, of_run)
        .where(is_active_run, has_outdated_columns, runs.c.deleted_at.is_(None))
        .where((_STORED - shown >= items) | ((runs.c.times_retried > 0) & (shown > 0)))
        .order_by(runs.c.key)
    )
    rows = (await tx.execute(query)).all()
    return [
        OutdatedRun(row.key, ProjectScope(row.project_id), row.items_version, row.items, has_ended=False)
        for row in rows
    ]


async def find_items_version(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> tuple[int, int]:
    """Return the version of a run's items, and the version that its columns show."""
    query = select(runs.c.items_version, runs.c.columns_version).where(
        runs.c.key == run_key, runs.c.project_id == scope.project_id
    )
    row = (await tx.execute(query)).one()
    return row.items_version, row.columns_version


async def find_items_state(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> ItemsState:
    """Return what is known of a run's items, whether the run is deleted or not."""
    query = select(
        _STORED.label("items"),
        runs.c.items_version,
        runs.c.columns_version,
        runs.c.times_retried,
        runs.c.imported_at,
    ).where(runs.c.key == run_key, runs.c.project_id == scope.project_id)
    row = (await tx.execute(query)).one()
    edition = row.times_retried if row.imported_at is None else row.items_version
    return ItemsState(row.items, row.items_version, row.columns_version, edition)


async def find_columns_head(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> ColumnsHead | None:
    """Return how far the columns of a run have been made; None if nothing of them is there."""
    table = run_column_heads
    query = select(table).where(table.c.run_key == run_key, table.c.project_id == scope.project_id)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    last = (row.last_position, row.last_repeat)
    return ColumnsHead(row.items_version, row.form, row.parts, row.items, last, jsontext.parse(row.codes))


async def list_items_for_columns(
    tx: ReadTransaction,
    scope: ProjectScope,
    run_key: int,
    *,
    after: Key | None = None,
    before: Key | None = None,
    limit: int | None = None,
    most_bytes: int | None = None,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return what columns are made of, in order of position and repeat.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        after: Position and repeat of the last item before these.
        before: Position and repeat of the first item that is not wanted.
        limit: Most rows.
        most_bytes: After how many characters of text no further row is read.
    """
    query, values = _ITEMS, {"run_key": run_key, "project_id": scope.project_id}
    if after is not None:
        query = query.where(tuple_(*_KEY) > tuple_(*after))
    if before is not None:
        query = query.where(tuple_(*_KEY) < tuple_(*before))
    if limit is not None:
        query = query.limit(limit)
    found: list[Row[*tuple[Any, ...]]] = []
    size = 0
    async with tx.stream(query, values, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            found.append(row)
            size += len(row.item) + len(row.grades) + len(row.sample or "")
            if most_bytes is not None and size > most_bytes:
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


async def lock_live_run(tx: AsyncConnection, scope: ProjectScope, run_key: int) -> bool:
    """Keep a run from being deleted until the transaction ends; False if it is deleted already."""
    query = select(runs.c.key).where(
        runs.c.key == run_key, runs.c.project_id == scope.project_id, runs.c.deleted_at.is_(None)
    )
    return (await tx.execute(query.with_for_update(read=True))).one_or_none() is not None


async def store_columns_part(
    tx: AsyncConnection, scope: ProjectScope, run_key: int, number: int, columns: Mapping[str, bytes], head: ColumnsHead
) -> None:
    """Store a part of a run's columns, and how far they are now; parts that are no longer counted are removed.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        run_key: The run.
        number: The number of the part; if it is there, it is replaced.
        columns: Values of each column for the items of the part.
        head: How far the columns are with this part.
    """
    table = run_columns
    is_replaced = (table.c.part == number) | (table.c.part >= head.parts)
    await tx.execute(
        delete(table).where(table.c.run_key == run_key, table.c.project_id == scope.project_id, is_replaced)
    )
    of_run = {"run_key": run_key, "project_id": scope.project_id}
    await tx.execute(
        insert(table), [{**of_run, "name": name, "part": number, "data": data} for name, data in columns.items()]
    )
    values = {
        "items_version": head.items_version,
        "form": head.form,
        "parts": head.parts,
        "items": head.items,
        "last_position": head.last[0],
        "last_repeat": head.last[1],
        "codes": jsontext.render(head.codes),
    }
    heads = run_column_heads
    done = await tx.execute(
        update(heads).where(heads.c.run_key == run_key, heads.c.project_id == scope.project_id).values(values)
    )
    if not done.rowcount:
        await tx.execute(insert(heads).values(**of_run, **values))


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


async def store_kept_report(tx: AsyncConnection, scope: ProjectScope, run_key: int, kept: KeptReport) -> None:
    """Store a run's report beside its columns, instead of an earlier one."""
    table = run_columns
    of_run = {"run_key": run_key, "project_id": scope.project_id, "name": _KEPT_REPORT}
    await tx.execute(delete(table).where(*(table.c[name] == value for name, value in of_run.items())))
    data = jsontext.render([kept.items_version, kept.form, kept.document]).encode()
    await tx.execute(insert(table).values(**of_run, part=0, data=data))


async def find_kept_report(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> KeptReport | None:
    """Return the report that is kept of a run, of whatever version of its items; None if there is none."""
    found = (await read_columns(tx, scope, run_key, [_KEPT_REPORT]))[_KEPT_REPORT]
    return KeptReport(*cast("list[Any]", jsontext.parse(found[0].decode()))) if found else None


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
    # As a whole, the driver's form of them would take a multiple of the memory.
    async with tx.stream(query, {}, execution_options=_FEW_AT_ONCE) as rows:
        async for row in rows:
            found[row.name][row.part] = row.data
    return found
