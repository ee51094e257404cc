"""What the parts of an export share: the order of lists, and who is told how far it is."""

from typing import Protocol

from evalhaven.importers.hosted.account import Query

OLDEST_FIRST: Query = {"order": "asc"}


class Listener(Protocol):
    """Who is told how far the export is."""

    def begin(self, what: str, total: int | None) -> None:
        """Hear that a phase begins, of so many objects (None: not known yet)."""
        ...

    def advance(self, count: int) -> None:
        """Hear that so many objects of the phase are done."""
        ...
