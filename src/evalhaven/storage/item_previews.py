"""Queries on output items for tables of them: of each only so much as its row shows, however large it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, case, func, or_, select, tuple_

from evalhaven.domain.ids import unpack_output_item_id
from evalhaven.domain.paging import PAGE_BYTES
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.keyset import Query
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import output_items

WHOLE_CHARS = 256 * 1024
"""Longer texts are read in part."""

_PART_CHARS = 16 * 1024
_FEW_AT_ONCE = {"yield_per": 16}
_KEY = (output_items.c.position, output_items.c.repeat)


def _bounded(column: ColumnElement[Any]) -> ColumnElement[Any]:
    part = func.substr(column, 1, _PART_CHARS)
    return case((func.length(column) <= WHOLE_CHARS, column), else_=part).label(column.key or "")


_PREVIEWS: Query = select(
    output_items.c.run_key,
    *_KEY,
    output_items.c.public_id,
    output_items.c.status,
    output_items.c.score,
    output_items.c.latency_ms,
    output_items.c.tokens,
    _bounded(output_items.c.item),
    _bounded(output_items.c.input),
    _bounded(output_items.c.sample),
    output_items.c.grades,
)
_OF_RUN: Query = _PREVIEWS.where(
    output_items.c.run_key == bindparam("run_key"), output_items.c.project_id == bindparam("project_id")
)
_AT: Query = _OF_RUN.where(
    output_items.c.position.in_(bindparam("positions", expanding=True)),
    output_items.c.repeat.in_(bindparam("repeats", expanding=True)),
)
_IN_ORDER: Query = _OF_RUN.order_by(*_KEY).limit(bindparam("rows"))


@dataclass(frozen=True, slots=True)
class ItemPreview:
    """What a row of a table shows of an output item; texts over `WHOLE_CHARS` are their beginning."""

    run_key: int
    position: int
    repeat: int
    id: str
    status: ItemStatus
    score: float | None
    latency_ms: int | None
    tokens: int | None
    item: str
    input: str | None
    sample: str | None
    grades: str

    @property
    def size(self) -> int:
        """Return how many characters were read."""
        return len(self.item) + len(self.input or "") + len(self.sample or "") + len(self.grades)


async def list_previews_at(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, keys: Sequence[tuple[int, int]]
) -> list[ItemPreview]:
    """Return the items of a run at these (position, repeat) keys, in the order of the keys; it ends early at 16 MB."""
    if not keys:
        return []
    values: Mapping[str, Any] = {
        "run_key": run_key,
        "project_id": scope.project_id,
        "positions": sorted({position for position, _ in keys}),
        "repeats": sorted({repeat for _, repeat in keys}),
    }
    wanted = set(keys)
    found: dict[tuple[int, int], ItemPreview] = {}
    async with tx.stream(_AT, values, execution_options=_FEW_AT_ONCE) as rows:
        async for row in rows:
            if (row.position, row.repeat) in wanted:
                found[row.position, row.repeat] = _preview(row)
    page: list[ItemPreview] = []
    size = 0
    for key in keys:
        # What was read and does not fit is read again with the next page.
        if key not in found or size > PAGE_BYTES:
            break
        page.append(found[key])
        size += found[key].size
    return page


async def list_previews_after(
    tx: ReadTransaction,
    scope: ProjectScope,
    run_key: int,
    after: tuple[int, int] | None,
    statuses: Sequence[ItemStatus],
    limit: int,
) -> list[ItemPreview]:
    """Return the next items of a run in order of position and repeat; it ends early at 16 MB.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        after: Position and repeat of the item before; None for the first ones.
        statuses: How they ended; empty for all.
        limit: Most items.
    """
    query = _IN_ORDER if after is None else _IN_ORDER.where(tuple_(*_KEY) > after)
    if statuses:
        # A sum, so that items are read in order of position instead of all of a status.
        query = query.where((output_items.c.status + 0).in_([status.value for status in statuses]))
    values = {"run_key": run_key, "project_id": scope.project_id, "rows": limit}
    found: list[ItemPreview] = []
    size = 0
    async with tx.stream(query, values, execution_options=_FEW_AT_ONCE) as rows:
        async for row in rows:
            found.append(_preview(row))
            size += found[-1].size
            if size > PAGE_BYTES:
                break
    return found


async def list_previews_in_runs(
    tx: ReadTransaction, scope: ProjectScope, positions: Mapping[int, int]
) -> list[ItemPreview]:
    """Return all samples of the item at one position of each of several runs, by the keys of the runs."""
    if not positions:
        return []
    places = [
        and_(output_items.c.run_key == run_key, output_items.c.position == position)
        for run_key, position in positions.items()
    ]
    query = _PREVIEWS.where(or_(*places), output_items.c.project_id == scope.project_id)
    return [_preview(row) for row in (await tx.execute(query.order_by(output_items.c.run_key, *_KEY))).all()]


async def find_runs_with_item_at(
    tx: ReadTransaction, scope: ProjectScope, run_keys: Sequence[int], position: int, item_hash: bytes
) -> set[int]:
    """Return which of some runs have this item at this position."""
    query = select(output_items.c.run_key).where(
        output_items.c.run_key.in_(run_keys),
        output_items.c.position == position,
        output_items.c.item_hash == item_hash,
        output_items.c.project_id == scope.project_id,
    )
    return set((await tx.execute(query)).scalars())


def _preview(row: Row[Any]) -> ItemPreview:
    return ItemPreview(
        row.run_key,
        row.position,
        row.repeat,
        unpack_output_item_id(row.public_id),
        ItemStatus(row.status),
        row.score,
        row.latency_ms,
        row.tokens,
        row.item,
        row.input,
        row.sample,
        row.grades,
    )
