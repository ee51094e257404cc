"""Pages of lists that are ordered by the keys of their rows."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Row, Select

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.paging import PageRequest
from evalhaven.storage.reading import ReadTransaction

T = TypeVar("T")


async def fetch_page(
    tx: ReadTransaction,
    query: Select[Any],
    key: Column[Any],
    public_id: Column[Any],
    page: PageRequest,
    kind: str,
    read: Callable[[Row[Any]], T],
) -> tuple[Sequence[T], bool]:
    """Return a page of a query that is scoped already, and whether more follow.

    Args:
        tx: Open transaction.
        query: Selects all of the list.
        key: The column that orders it.
        public_id: The column of the ids that are known outside.
        page: Which page.
        kind: What the list is of.
        read: Makes an object of a row.

    Raises:
        InvalidRequestError: What the page is to follow is not of this list.
    """
    is_ascending = page.order == "asc"
    if page.after is not None:
        position = query.where(public_id == page.after).with_only_columns(key)
        found = (await tx.execute(position)).scalar_one_or_none() if is_id_text(page.after) else None
        if found is None:
            raise InvalidRequestError(
                f"'after' names no {kind} of this list: {page.after!r}.", param="after", code="invalid_value"
            )
        query = query.where(key > found if is_ascending else key < found)
    query = query.order_by(key.asc() if is_ascending else key.desc()).limit(page.limit + 1)
    rows = (await tx.execute(query)).all()
    return [read(row) for row in rows[: page.limit]], len(rows) > page.limit
