"""Query parameters of lists."""

from typing import Annotated

from fastapi import Query

from evalhaven.domain.paging import Order, PageRequest

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000

After = Annotated[str | None, Query(description="Id of the last object of the previous page.")]
NextOf = Annotated[str | None, Query(description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, description="Objects a page; above the maximum it is lowered to it.")]
OrderOf = Annotated[Order | None, Query(description="By time: asc, or desc for newest first.")]


def page_request(
    after: str | None, limit: int, order: Order | None, default_order: Order, max_limit: int = MAX_LIMIT
) -> PageRequest:
    """Return which slice a request wants."""
    return PageRequest(min(limit, max_limit), order or default_order, after or None)
