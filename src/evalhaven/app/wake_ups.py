"""Wake-ups: whoever executes runs is told that something was created, canceled or deleted."""

from collections.abc import Callable

import anyio
from sqlalchemy import func, select

from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.queue.tables import WAKE_CHANNEL


class WorkerBell:
    """Wakes all workers, on whatever machines, through the database; those that are not told look by themselves."""

    def __init__(self, database: Database, also: Callable[[], None]) -> None:
        """Wake nobody yet.

        Args:
            database: Whose workers are woken.
            also: Wakes this server's own worker, which takes less time.
        """
        self._database = database
        self._also = also
        self._rung = anyio.Event()

    def ring(self) -> None:
        """Wake all workers soon."""
        self._also()
        self._rung.set()

    async def serve(self) -> None:
        """Pass wake-ups on until canceled."""
        while True:
            await self._rung.wait()
            self._rung = anyio.Event()
            try:
                async with self._database.write() as tx:
                    await tx.execute(select(func.pg_notify(WAKE_CHANNEL, "")))
            except Exception as error:
                if not is_unavailable(error):
                    raise
