"""Keyset paging: a page continues after the (time, id) of the last object of the previous page."""

from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Text, bindparam, func, literal, select, tuple_, type_coerce

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.paging import Order, PageRequest
from evalhaven.storage.reading import ReadTransaction

KeyColumns = tuple[ColumnElement[Any], ColumnElement[Any]]
Position = tuple[Any, Any]
Query = Select[*tuple[Any, ...]]
_AFTER = ("after_time", "after_id")


def page_of(query: Query, key: KeyColumns, order: Order, *, is_first: bool) -> Query:
    """Order a query by (time, id) and limit it to a page; `page_values` gives its values.

    Args:
        query: The query of the list.
        key: The columns of time and id.
        order: `desc` is newest first.
        is_first: Whether it is the first page; every other page starts after the last object seen.
    """
    if not is_first:
        after = tuple_(*(bindparam(name, type_=column.type) for name, column in zip(_AFTER, key, strict=True)))
        query = query.where(tuple_(*key) < after if order == "desc" else tuple_(*key) > after)
    ordered = query.order_by(*(column.desc() if order == "desc" else column.asc() for column in key))
    return ordered.limit(bindparam("rows", type_=Integer()))


def page_values(page: PageRequest, after: Position | None) -> dict[str, Any]:
    """Return the values for a query made by `page_of`, which asks for one object more than the page holds."""
    return {"rows": page.limit + 1, **(dict(zip(_AFTER, after, strict=True)) if after is not None else {})}


def text_length(*columns: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the length of documents in characters, which ends a page before it fills the memory."""
    total: ColumnElement[int] = literal(0)
    for column in columns:
        total = total + func.coalesce(func.length(type_coerce(column, Text)), 0)
    return total.label("text_length")


async def find_position(
    tx: ReadTransaction,
    key: KeyColumns,
    of_list: ColumnElement[bool],
    after: str | None,
    named: tuple[str, tuple[str, ...]],
) -> Position | None:
    """Return the time and id of the object after which a page begins, deleted or not; None for the first page.

    Args:
        tx: Open transaction.
        key: The columns of time and id.
        of_list: The condition that objects of the list satisfy.
        after: Id of the last object seen.
        named: The kind of object and the prefixes of its ids, for the error.

    Raises:
        InvalidRequestError: `after` does not name an object of the list.
    """
    if after is None:
        return None
    query = select(*key).where(of_list, key[1] == after)
    row = (await tx.execute(query)).one_or_none() if is_id_text(after) else None
    if row is None:
        raise unknown_cursor(after, *named)
    return row[0], row[1]


def unknown_cursor(after: str, kind: str, prefixes: tuple[str, ...]) -> InvalidRequestError:
    """Return the error for an `after` that does not name an object of the list."""
    if after.startswith(prefixes):
        reason = f"no {kind} of this list has the id {after!r}"
    else:
        reason = f"{after!r} is not the id of one of these objects (those begin with {prefixes[0]!r})"
    return InvalidRequestError(
        f"Invalid 'after': {reason}. Pass the 'last_id' of the previous page.",
        param="after",
        code="invalid_cursor",
    )
