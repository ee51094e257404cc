"""What is said of a worker whose process is gone because it was told to stop."""

import structlog

from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.queue.workers import leave_seat


async def leave_seat_in_order(database: Database, seat: str) -> None:
    """Hand back what a worker had that was told to stop; call it once its process is gone.

    If the database is away, the worker counts as dead: its chunks are handed out after its lease.
    """
    try:
        async with database.write() as tx:
            await leave_seat(tx, EngineScope(), seat)
    except Exception as error:
        if not is_unavailable(error):
            raise
        structlog.get_logger("evalhaven.workers").warning("orderly_stop_not_noted", reason=str(error.__cause__))
