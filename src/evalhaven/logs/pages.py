"""Pages of logged calls, the same for both stores."""

from collections.abc import Sequence

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.logged_calls import CallFilter, LoggedCall
from evalhaven.domain.paging import PAGE_BYTES, Order
from evalhaven.logs.keys import LARGEST_KEY, first_key, last_key
from evalhaven.logs.store import LogPage

_READ_AT_ONCE = 20


def keys_between(wanted: CallFilter) -> tuple[int, int]:
    """Return the smallest and the largest key that calls of the wanted times can have."""
    lowest = 0 if wanted.created_after is None else first_key(wanted.created_after)
    highest = LARGEST_KEY - 1 if wanted.created_before is None else last_key(wanted.created_before)
    return lowest, highest


def keys_after(between: tuple[int, int], order: Order, found: Sequence[int], after: str) -> tuple[int, int]:
    """Return which keys can follow the last call of the page before.

    Args:
        between: The smallest and the largest key that are wanted.
        order: The order of the list.
        found: The keys of the calls that have the id, of which there may be several: then the list goes on after all
            of them, since it would never end otherwise.
        after: The id.

    Raises:
        InvalidRequestError: There is no such call.
    """
    if not found:
        raise InvalidRequestError(
            f"Invalid 'after': no stored call has the id {after!r}. Pass the 'last_id' of the previous page.",
            param="after",
            code="invalid_cursor",
        )
    lowest, highest = between
    return (lowest, min(highest, min(found) - 1)) if order == "desc" else (max(lowest, max(found) + 1), highest)


class PageBuilder:
    """Collects a page, some calls at a time, until it has enough of them or would take too much memory."""

    def __init__(self, keys: Sequence[int], limit: int) -> None:
        """Begin a page.

        Args:
            keys: The keys of its calls, and one more if others follow.
            limit: The most calls on it.
        """
        self._keys, self._limit = keys, limit
        self._calls: list[LoggedCall] = []
        self._taken = self._size = 0

    def next_keys(self) -> Sequence[int]:
        """Return the keys of the calls to read next; none if the page is complete."""
        if self._size >= PAGE_BYTES:
            return []
        return self._keys[self._taken : min(self._taken + _READ_AT_ONCE, self._limit)]

    def take(self, calls: Sequence[LoggedCall | None]) -> None:
        """Add the calls that were read; those that are gone by now leave no gap."""
        for call in calls:
            if self._size >= PAGE_BYTES:
                break
            self._taken += 1
            if call is not None:
                self._calls.append(call)
                self._size += len(call.request) + len(call.reply)

    def is_gap(self) -> bool:
        """Tell whether all of its calls are gone, though others follow: clients take an empty page for the last one."""
        return not self._calls and self._taken < len(self._keys)

    def following(self, between: tuple[int, int], order: Order) -> tuple[int, int]:
        """Return which of the wanted keys come after those whose calls were read."""
        last, (lowest, highest) = self._keys[self._taken - 1], between
        return (lowest, last - 1) if order == "desc" else (last + 1, highest)

    def page(self) -> LogPage:
        """Return the page."""
        return LogPage(self._calls, has_more=self._taken < len(self._keys))
