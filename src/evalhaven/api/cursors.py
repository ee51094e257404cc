"""Where a page of an overview goes on: what the page before said, as one text that clients pass on unread."""

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.ids import is_id_text


def shown_place(value: int, object_id: str) -> str:
    """Return a place in an order, given by a number and an id."""
    return f"{value}.{object_id}"


def place_of(after: str | None) -> tuple[int, str] | None:
    """Return the place that a page begins after; None for the first page.

    Raises:
        InvalidRequestError: It is not what a page said.
    """
    if not after:
        return None
    value, dot, object_id = after.partition(".")
    digits = value.removeprefix("-")
    if not (dot and digits.isascii() and digits.isdecimal() and len(digits) <= 18 and is_id_text(object_id)):  # noqa: PLR2004
        raise InvalidRequestError(
            "Invalid 'after': pass the 'next' of the page before, unchanged, or leave it out for the first page.",
            param="after",
            code="invalid_cursor",
        )
    return int(value), object_id
