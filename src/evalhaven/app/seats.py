"""Seats of workers: at most one living worker sits on each, so whoever takes one knows that the one before is dead."""

from pathlib import Path

import structlog

from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.database import Database, is_unavailable


def new_seat() -> str:
    """Return a seat on which nobody has sat."""
    return IdFactory(Clock()).new_seat_name()


def seat_of_directory(data_dir: Path) -> str:
    """Return the seat that belongs to a data directory, whose lock the caller holds."""
    path = data_dir / "worker-seat"
    if not path.exists():
        part = path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(f"{new_seat()}\n")
        part.rename(path)
    return path.read_text().strip()


def seat_beside(seat: str, number: int) -> str:
    """Return the seat of another worker that the same holder supervises; number 0 sits on the seat itself."""
    return f"{seat}-{number + 1}" if number else seat


async def leave_seat_in_order(database: Database, seat: str) -> None:
    """Hand back what a worker had that was told to stop; call it once its process is gone.

    If the database is away, the worker counts as dead: its chunks are handed out after its lease.
    """
    from evalhaven.storage.queue.workers import leave_seat  # noqa: PLC0415 - not needed with SQLite

    try:
        async with database.write() as tx:
            await leave_seat(tx, EngineScope(), seat)
    except Exception as error:
        if not is_unavailable(error):
            raise
        structlog.get_logger("evalhaven.workers").warning("orderly_stop_not_noted", reason=str(error.__cause__))
