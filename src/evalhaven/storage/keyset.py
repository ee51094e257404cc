"""Keyset paging: a page continues after the (time, id) of the last object of the page before."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Text, func, literal, select, tuple_, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.paging import Order

KeyColumns = tuple[ColumnElement[Any], ColumnElement[Any]]
Position = tuple[Any, Any]


def page_after(
    query: Select[Any],
    key: KeyColumns,
    order: Order,
    after: Position | None,
) -> Select[Any]:
    """Order a query by (time, id) and start it after a position.

    Args:
        query: The query of the list.
        key: The columns of time and id.
        order: `desc` is newest first.
        after: Time and id of the last object seen, or None for the start.
    """
    if after is not None:
        query = query.where(tuple_(*key) < after if order == "desc" else tuple_(*key) > after)
    return query.order_by(*(column.desc() if order == "desc" else column.asc() for column in key))


def text_length(*columns: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the length of documents in characters, by which a page is cut before it fills the memory."""
    total: ColumnElement[int] = literal(0)
    for column in columns:
        total = total + func.coalesce(func.length(type_coerce(column, Text)), 0)
    return total.label("text_length")


async def find_position(
    tx: AsyncConnection,
    key: KeyColumns,
    of_list: ColumnElement[bool],
    after: str | None,
    named: tuple[str, tuple[str, ...]],
) -> Position | None:
    """Return the time and id of the object that a page follows, deleted or not; None for the first page.

    Args:
        tx: Open transaction.
        key: The columns of time and id.
        of_list: Which objects the list could hold.
        after: Id of the last object seen.
        named: The kind of object, and what ids of the kind begin with, for the error.

    Raises:
        InvalidRequestError: `after` names no object of the list.
    """
    if after is None:
        return None
    query = select(*key).where(of_list, key[1] == after)
    row = (await tx.execute(query)).one_or_none() if is_id_text(after) else None
    if row is None:
        raise unknown_cursor(after, *named)
    return row[0], row[1]


def unknown_cursor(after: str, kind: str, prefixes: tuple[str, ...]) -> InvalidRequestError:
    """Return the error of an `after` that names no object of the list."""
    if after.startswith(prefixes):
        reason = f"no {kind} of this list has the id {after!r}"
    else:
        reason = f"{after!r} is not the id of one of these objects (those begin with {prefixes[0]!r})"
    return InvalidRequestError(
        f"Invalid 'after': {reason}. Pass the 'last_id' of the previous page.",
        param="after",
        code="invalid_cursor",
    )
