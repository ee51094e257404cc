"""Connections to PostgreSQL for which a server that says nothing is gone.

A network that swallows everything, or a proxy that stalls, neither answers nor refuses. Who waits for it without end
stands still for ever, and with a worker all that it has claimed. Cancelling would not help: psycopg then asks the
server to cancel, and waits for that. So the connection is closed, and the error is that of a server that was lost.
"""

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")

ANSWERS_WITHIN_S = 6.0
"""One second more than a worker waits for a lock, so that what the server itself refuses is known as that."""

_INTERVAL_S = 0.1  # psycopg's own: how often it looks whether it was interrupted


class PunctualConnection(psycopg.AsyncConnection[Any]):
    """One for an event loop."""

    async def wait(self, gen: PQGen[T], interval: float = _INTERVAL_S, timeout: float | None = None) -> T:  # noqa: ASYNC109 - psycopg's
        """Wait for what the server says, but not without end."""
        began_at = time.monotonic()
        try:
            return await super().wait(gen, interval, ANSWERS_WITHIN_S if timeout is None else timeout)
        except psycopg.OperationalError:
            if timeout is None:
                _give_up_late(self, began_at)
            raise


class PunctualBlockingConnection(psycopg.Connection[Any]):
    """One for a thread."""

    def wait(self, gen: PQGen[T], interval: float = _INTERVAL_S, timeout: float | None = None) -> T:
        """Wait for what the server says, but not without end."""
        began_at = time.monotonic()
        try:
            return super().wait(gen, interval, ANSWERS_WITHIN_S if timeout is None else timeout)
        except psycopg.OperationalError:
            if timeout is None:
                _give_up_late(self, began_at)
            raise


def _give_up_late(connection: "psycopg.AsyncConnection[Any] | psycopg.Connection[Any]", began_at: float) -> None:
    if time.monotonic() - began_at >= ANSWERS_WITHIN_S:
        connection.pgconn.finish()
        raise psycopg.OperationalError(f"the database has not answered for {ANSWERS_WITHIN_S:.0f} s")
