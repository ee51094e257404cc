"""Pages of lists, keyed by (time, id)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Order = Literal["asc", "desc"]
PAGE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which slice of a list is wanted.

    Attributes:
        limit: The most objects to return, 1 or more.
        order: `desc` is newest first.
        after: Id of the last object of the previous page, or None for the first page.
    """

    limit: int
    order: Order
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One slice of a list; `has_more` tells whether another page follows."""

    objects: Sequence[T]
    has_more: bool
