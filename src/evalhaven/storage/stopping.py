"""Connections to SQLite for event loops that can be closed twice at once.

Each has a thread. A task that is canceled while its connection is closed has the connection closed again, at once, and
then both wait for the thread to say that it ends. It says so to whoever asked first; the other would wait for ever, and
with it the event loop that is to be closed.
"""

import asyncio
import sqlite3
from typing import Any

import aiosqlite

_ROWS_AT_ONCE = 64  # aiosqlite's own


class StoppedOnce(aiosqlite.Connection):
    """One whose thread is asked once to end, whoever asks."""

    _is_stopped = False
    _end: asyncio.Future[Any] | None = None

    def stop(self) -> asyncio.Future[Any] | None:
        """Have the thread end; return what tells that it has, the same to everybody."""
        if not self._is_stopped:
            self._is_stopped = True
            self._end = super().stop()  # pyright: ignore[reportUnknownMemberType]
        return self._end


def connect_sqlite(database: str, **options: Any) -> StoppedOnce:
    """Return a connection that has yet to be awaited, made with what `sqlite3.connect` takes."""
    connection = StoppedOnce(lambda: sqlite3.connect(database, **options), _ROWS_AT_ONCE)
    connection._thread.daemon = True  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - as SQLAlchemy does
    return connection
