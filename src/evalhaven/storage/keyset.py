"""Keyset paging: a page continues after the (time, id) of the last object of the page before."""

from typing import Any

from sqlalchemy import ColumnElement, Select, tuple_

from evalhaven.domain.paging import Order


def page_after(
    query: Select[Any],
    key: tuple[ColumnElement[Any], ColumnElement[Any]],
    order: Order,
    after: tuple[Any, Any] | None,
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
