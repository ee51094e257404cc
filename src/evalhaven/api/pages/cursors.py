"""Which part of a list a page for people shows, and the links to the parts before and after it.

A link names the last object seen, as `after` does in the API, so the thousandth page costs what the first does.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.paging import Order, Page, PageRequest

SHOWN = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """What a page shows of a list, in the list's order, and whether there is more on either side."""

    objects: Sequence[T]
    has_before: bool
    has_after: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the shown part of a list begins or ends.

    Attributes:
        after: Id of the object that it follows.
        before: Id of the object that it precedes; None, like `after`, for the beginning of the list.
    """

    after: str | None
    before: str | None

    def request(self, order: Order) -> PageRequest:
        """Return what to read; objects before a given one are read backwards from it."""
        if self.before is None:
            return PageRequest(SHOWN, order, self.after)
        return PageRequest(SHOWN, "asc" if order == "desc" else "desc", self.before)

    def slice_of(self, found: Page[T]) -> Slice[T]:
        """Return what was read in the order in which it is shown."""
        if self.before is not None:
            return Slice(found.objects[::-1], has_before=found.has_more, has_after=True)
        return Slice(found.objects, has_before=self.after is not None, has_after=found.has_more)


def page_cursor(after: Annotated[str | None, Query()] = None, before: Annotated[str | None, Query()] = None) -> Cursor:
    """Return the cursor of a request.

    Raises:
        InvalidRequestError: The request has both parameters.
    """
    if after and before:
        raise InvalidRequestError("Give 'after' or 'before', not both.", param="before", code="invalid_cursor")
    return Cursor(after or None, before or None)


CursorOf = Annotated[Cursor, Depends(page_cursor)]


def more_links(
    address: str, first_id: str, last_id: str, shown: Slice[T], words: tuple[str, str], filters: Mapping[str, str]
) -> str:
    """Return a line with links to what a page does not show; empty if it shows everything.

    Args:
        address: Address of the page.
        first_id: Id of the first object shown.
        last_id: Id of the last one.
        shown: What the page shows.
        words: Names for the objects before and after, such as newer and older.
        filters: Further parameters of the page.
    """
    sides = [(shown.has_before, "before", first_id, words[0]), (shown.has_after, "after", last_id, words[1])]
    links = [
        f'<a rel="{"prev" if name == "before" else "next"}" '
        f'href="{html.escape(f"{address}?{urlencode({**filters, name: at})}")}">{word}</a>'
        for is_there, name, at, word in sides
        if is_there
    ]
    return f"<p>There are more: {' | '.join(links)}</p>" if links else ""
