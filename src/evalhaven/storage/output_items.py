"""Queries on output items, and their form in a row; what stores new ones is in `output_item_writes`.

A row holds the item and a recorded sample as the user wrote them, and grades as `[score, passed]` pairs with an
object after them if there is more to say, such as what a judge was asked and answered. Names of criteria, model
parameters and the like are stored with the run.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import Row, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain import jsontext
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import (
    OUTPUT_ITEM_PREFIX,
    is_id_text,
    pack_output_item_id,
    unpack_output_item_id,
)
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.paging import PAGE_BYTES, Order, Page, PageRequest
from evalhaven.domain.samples import NO_SAMPLE
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.keyset import Query, page_of, page_values, unknown_cursor
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.samples import call_of, call_values, error_of, error_values, sample_text, stored_sample
from evalhaven.storage.tables import output_items

_IN_PARTS = {"yield_per": 8}  # so that a page of large items ends before it fills the memory
_KEY = (output_items.c.created_at, output_items.c.public_id)
_POSITION_KEY = (output_items.c.position, output_items.c.repeat)
ITEM_COLUMNS = (
    output_items.c.position,
    output_items.c.repeat,
    output_items.c.public_id,
    output_items.c.created_at,
    output_items.c.status,
    output_items.c.latency_ms,
    output_items.c.item,
    output_items.c.item_hash,
    output_items.c.input,
    output_items.c.sample,
    output_items.c.grades,
    output_items.c.imported_document,
)
# Statements that are executed again and again are built once: building one takes longer than executing it.
_OF_RUN: Query = select(*ITEM_COLUMNS).where(
    output_items.c.run_key == bindparam("run_key"), output_items.c.project_id == bindparam("project_id")
)
_ITEM = _OF_RUN.where(output_items.c.public_id == bindparam("public_id"))
_STORED = select(output_items.c.position, output_items.c.repeat).where(
    output_items.c.run_key == bindparam("run_key"),
    output_items.c.project_id == bindparam("project_id"),
    output_items.c.position.between(bindparam("first"), bindparam("last")),
)


async def list_stored_positions(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, first: int, count: int
) -> set[tuple[int, int]]:
    """Return the (position, repeat) of each item already stored in a range of positions of a run."""
    values = {"run_key": run_key, "project_id": scope.project_id, "first": first, "last": first + count - 1}
    return {(row.position, row.repeat) for row in (await tx.execute(_STORED, values)).all()}


async def list_stored_ids(tx: AsyncConnection, scope: ProjectScope, run_key: int, item_ids: Sequence[str]) -> set[str]:
    """Return which of these public ids a run holds."""
    query = select(output_items.c.public_id).where(
        output_items.c.run_key == run_key,
        output_items.c.project_id == scope.project_id,
        output_items.c.public_id.in_([pack_output_item_id(item_id) for item_id in item_ids]),
    )
    return {unpack_output_item_id(packed) for packed in (await tx.execute(query)).scalars()}


async def list_next_repeats(
    tx: AsyncConnection, scope: ProjectScope, run_key: int, positions: Sequence[int]
) -> dict[int, int]:
    """Return, for each of these positions that a run holds, the number of its next repeat."""
    query = (
        select(output_items.c.position, func.max(output_items.c.repeat))
        .where(
            output_items.c.run_key == run_key,
            output_items.c.project_id == scope.project_id,
            output_items.c.position.in_(positions),
        )
        .group_by(output_items.c.position)
    )
    return {position: repeat + 1 for position, repeat in (await tx.execute(query)).all()}


async def get_output_item(tx: ReadTransaction, scope: ProjectScope, run_key: int, item_id: str) -> OutputItem:
    """Return an output item of a run by its public id.

    Raises:
        NotFoundError: The run has no such output item.
    """
    row = await _find_row(tx, scope, run_key, item_id)
    if row is None:
        raise NotFoundError("Output item", item_id, "output_item_id")
    return output_item_of(row)


async def list_output_items(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, page: PageRequest, status: ItemStatus | None
) -> Page[OutputItem]:
    """Return one page of a run's output items, ordered by completion; it ends early at 16 MB.

    Raises:
        InvalidRequestError: `after` is not an output item of this run.
    """
    after = None
    if page.after is not None:
        row = await _find_row(tx, scope, run_key, page.after)
        if row is None:
            raise unknown_cursor(page.after, "output item", (OUTPUT_ITEM_PREFIX,))
        after = (row.created_at, row.public_id)
    query = _page(page.order, is_first=after is None, has_status=status is not None)
    of_page = {"run_key": run_key, "project_id": scope.project_id, **page_values(page, after)}
    values = of_page if status is None else {**of_page, "status": status}
    return await _read_page(tx, query, values, page.limit, PAGE_BYTES)


async def list_items_in_order(
    tx: ReadTransaction,
    scope: ProjectScope,
    run_key: int,
    after: tuple[int, int] | None,
    size: tuple[int, int],
    statuses: Sequence[ItemStatus],
) -> Page[OutputItem]:
    """Return the next output items of a run in the order of (position, repeat).

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        after: Position and repeat of the last item seen; None to begin.
        size: The most items, and the number of characters after which the page ends.
        statuses: Only items of these; empty for all.
    """
    limit, most_chars = size
    page = PageRequest(limit, "asc")
    query = _page_in_order(is_first=after is None, has_status=bool(statuses))
    of_page = {"run_key": run_key, "project_id": scope.project_id, **page_values(page, after)}
    values = {**of_page, "statuses": [int(status) for status in statuses]} if statuses else of_page
    return await _read_page(tx, query, values, limit, most_chars)


async def _read_page(
    tx: ReadTransaction, query: Query, values: dict[str, Any], limit: int, most_chars: int
) -> Page[OutputItem]:
    found: list[OutputItem] = []
    size = 0
    async with tx.stream(query, values, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            if len(found) == limit or size > most_chars:
                return Page(found, has_more=True)
            found.append(output_item_of(row))
            size += sum(len(value) for value in row if isinstance(value, str))
    return Page(found, has_more=False)


@cache
def _page(order: Order, *, is_first: bool, has_status: bool) -> Query:
    query = _OF_RUN.where(output_items.c.status == bindparam("status")) if has_status else _OF_RUN
    return page_of(query, _KEY, order, is_first=is_first)


@cache
def _page_in_order(*, is_first: bool, has_status: bool) -> Query:
    # A sum, so that the primary key is followed instead of sorting all items of a status for every page.
    is_wanted = (output_items.c.status + 0).in_(bindparam("statuses", expanding=True))
    query = _OF_RUN.where(is_wanted) if has_status else _OF_RUN
    return page_of(query, _POSITION_KEY, "asc", is_first=is_first)


async def _find_row(tx: ReadTransaction, scope: ProjectScope, run_key: int, item_id: str) -> Row[Any] | None:
    if not is_id_text(item_id):
        return None
    values = {"run_key": run_key, "project_id": scope.project_id, "public_id": pack_output_item_id(item_id)}
    return (await tx.execute(_ITEM, values)).one_or_none()


ItemRow = dict[str, Any]
"""The column values of an output item."""


def item_values(scope: ProjectScope, run_key: int, item: OutputItem) -> ItemRow:
    """Return the column values of an output item."""
    sample = item.sample
    return {
        "run_key": run_key,
        "position": item.position,
        "repeat": item.repeat,
        "project_id": scope.project_id,
        "public_id": pack_output_item_id(item.id),
        "created_at": item.created_at,
        "status": int(item.status),
        "score": item.score,
        "latency_ms": sample.latency_ms,
        "tokens": sample.usage.total_tokens or None,
        "error_code": item.error_code,
        "item": item.item_text,
        "item_hash": item.item_hash,
        "input": jsontext.render(sample.input) if sample.input else None,
        "sample": sample_text(sample),
        "grades": jsontext.render([grade_values(grade) for grade in item.grades]),
        "imported_document": item.imported_text,
    }


def grade_values(grade: Grade) -> list[Any]:
    """Return a grade as it is stored."""
    values: list[Any] = [grade.score, grade.passed]
    more: dict[str, Any] = {}
    if grade.unresolved:
        more["unresolved"] = grade.unresolved
    if grade.error is not None:
        more["error"] = error_values(grade.error)
    if grade.sample is not None:
        more["sample"] = grade.sample
    if grade.notes:
        more["notes"] = grade.notes
    if grade.parts:
        more["parts"] = [[name, grade_values(part)] for name, part in grade.parts]
    if grade.judge is not None:
        more["judge"] = grade.judge
    if grade.calls:
        more["calls"] = [call_values(call) for call in grade.calls]
    if grade.fault is not None:
        more["fault"] = error_values(grade.fault)
    if grade.output:
        more["output"] = grade.output
    if grade.is_absent:
        more["absent"] = True
    return [*values, more] if more else values


def grade_of(score: float, passed: bool, more: dict[str, Any] | None = None) -> Grade:
    """Return the grade of stored values."""
    if more is None:
        return Grade(score, passed)
    return Grade(
        score=score,
        passed=passed,
        unresolved=tuple(more.get("unresolved", ())),
        error=error_of(more.get("error")),
        sample=cast("JsonObject | None", more.get("sample")),
        notes=tuple(more.get("notes", ())),
        parts=tuple((name, grade_of(*values)) for name, values in more.get("parts", ())),
        calls=tuple(call_of(values) for values in more.get("calls", ())),
        judge=more.get("judge"),
        fault=error_of(more.get("fault")),
        output=more.get("output", ""),
        is_absent=more.get("absent", False),
    )


def output_item_of(row: Sequence[Any], *, with_grades: bool = True) -> OutputItem:
    """Return the output item from values of `ITEM_COLUMNS`; leaving out the grades is faster."""
    (
        position,
        repeat,
        public_id,
        created_at,
        status,
        latency_ms,
        item_text,
        item_hash,
        input_text,
        sample,
        grades_text,
        imported_text,
    ) = row
    grades = cast("list[list[Any]]", jsontext.parse(grades_text)) if with_grades else []
    return OutputItem(
        id=unpack_output_item_id(public_id),
        position=position,
        repeat=repeat,
        created_at=created_at,
        item_text=item_text,
        item_hash=item_hash,
        sample=NO_SAMPLE if sample is None else stored_sample(sample, input_text, latency_ms),
        grades=[grade_of(*values) for values in grades],
        imported_text=imported_text,
        imported_status=None if imported_text is None else ItemStatus(status),
    )
