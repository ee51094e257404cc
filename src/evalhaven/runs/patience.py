"""Waiting for storage that cannot be used: disk full, locked, gone. Runs pause, and resume by themselves."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import structlog

from evalhaven.storage.database import is_unavailable

T = TypeVar("T")

_LONGEST_WAIT_S = 10.0


class Patience:
    """Repeats a transaction until it succeeds; logs one line when runs pause and one when they go on."""

    def __init__(self, first_wait_s: float = 0.25) -> None:
        """Wait for nothing yet.

        Args:
            first_wait_s: How long to wait before the first repetition; each further wait is twice as long.
        """
        self._first_wait_s = first_wait_s
        self._log = structlog.get_logger("evalhaven.database")
        self._waiting = False
        self._reason = ""
        self._recoveries = 0

    @property
    def problem(self) -> str:
        """Return why transactions are waiting; "" if none is."""
        return f"Runs pause because the database cannot be written: {self._reason}." if self._waiting else ""

    async def persist(self, transaction: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a transaction, repeating it while the database is unavailable.

        Args:
            transaction: Opens its own transaction; it must leave nothing behind when it fails.
        """
        wait_s = self._first_wait_s
        has_waited = False
        while True:
            recoveries = self._recoveries
            try:
                result = await transaction()
            except Exception as error:
                if not is_unavailable(error):
                    raise
                # What began before the last outage was over may have failed in that one, and hear of it only now.
                if not self._waiting and recoveries == self._recoveries:
                    self._waiting = True
                    self._reason = str(error.__cause__ or error)
                    self._log.error("database_unavailable", reason=self._reason, effect="runs pause")
                has_waited = True
                await anyio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                # Reads keep succeeding while a disk is full: only a write that waited can tell that it is over.
                if has_waited and self._waiting:
                    self._waiting = False
                    self._recoveries += 1
                    self._log.warning("database_available", effect="runs go on")
                return result
