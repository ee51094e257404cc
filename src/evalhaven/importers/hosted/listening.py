"""What the parts of an export share: the order of lists, and the listener for progress."""

from typing import Protocol

from evalhaven.importers.hosted.account import Query

OLDEST_FIRST: Query = {"order": "asc"}


class Listener(Protocol):
    """Receives the progress of an export."""

    def begin(self, what: str, total: int | None) -> None:
        """Note that a phase of so many objects begins (None: not known yet)."""
        ...

    def advance(self, count: int) -> None:
        """Note that so many more objects of the phase are done."""
        ...
