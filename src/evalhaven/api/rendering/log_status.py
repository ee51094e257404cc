"""What became of the calls that were to be stored."""

import sqlite3

from sqlalchemy.exc import SQLAlchemyError

from evalhaven.api.readiness import ProcessState
from evalhaven.logs.handover.sender import LogSender
from evalhaven.logs.store import LogStore
from evalhaven.wire.logs import CallRetention, LogStatus, LostCalls, StoredCalls


async def log_status(
    store: LogStore, sender: LogSender, recorder: ProcessState | None, *, days: int, max_gb: float | None
) -> LogStatus:
    """Return the state of logging.

    Args:
        store: Where calls are.
        sender: The way to it.
        recorder: State of the process that stores calls; None if none is needed.
        days: For how many days calls are kept.
        max_gb: How much they may take.
    """
    counts, losses = sender.counts, sender.counts.losses
    problem = None if recorder is None else recorder.reason or None
    stored = None
    try:
        volume = await store.measure()
        stored = StoredCalls(calls=volume.calls, size_bytes=volume.size_bytes, oldest_day=volume.oldest_day)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        problem = problem or f"The store of logged calls does not answer: {error.__cause__ or error}."
    return LogStatus(
        stored=stored,
        pending=counts.pending,
        in_question=counts.in_question,
        lost=LostCalls(
            overflow=losses.overflow, killed=losses.killed, unreadable=losses.unreadable, failed=losses.failed
        ),
        recorder=None if recorder is None else recorder.name,
        problem=problem,
        retention=CallRetention(days=days, max_gb=max_gb),
    )
