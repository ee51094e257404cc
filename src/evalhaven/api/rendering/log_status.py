"""What became of the calls that were to be stored."""

import sqlite3
from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy.exc import SQLAlchemyError

from evalhaven.api.readiness import ProcessState
from evalhaven.api.replicas import OtherServer, Replicas
from evalhaven.logs.handover.sender import LogSender
from evalhaven.logs.store import LogStore
from evalhaven.wire.logs import CallRetention, LogStatus, LostCalls, StoredCalls, StoredDay


async def log_status(
    store: LogStore,
    sender: LogSender,
    recorder: ProcessState | None,
    replicas: Replicas,
    *,
    days: int,
    max_gb: float | None,
) -> LogStatus:
    """Return the state of logging, of all servers together.

    Args:
        store: Where calls are.
        sender: The way to it.
        recorder: State of the process that stores calls; None if none is needed.
        replicas: The servers beside this one.
        days: For how many days calls are kept.
        max_gb: How much they may take.
    """
    counts, losses = sender.counts, sender.counts.losses
    problem = None if recorder is None else recorder.reason or None
    stored = None
    others: Sequence[OtherServer] = ()
    try:
        volume = await store.measure()
        stored = StoredCalls(
            calls=volume.calls,
            size_bytes=volume.size_bytes,
            oldest_day=volume.oldest_day,
            days=[
                StoredDay(
                    day=each.day,
                    calls=each.calls,
                    size_bytes=each.size_bytes,
                    # The first day on which it is older than calls are kept.
                    dropped_on=(date.fromisoformat(each.day) + timedelta(days=days + 1)).isoformat(),
                )
                for each in volume.days
            ],
        )
        others = await replicas.others()
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        problem = problem or f"The store of logged calls does not answer: {error.__cause__ or error}."
    told = [other.report for other in others]
    problem = problem or next((_problem_of(other) for other in others if other.is_heard and other.report.problem), None)
    return LogStatus(
        stored=stored,
        pending=counts.pending + sum(each.pending for each in told),
        in_question=counts.in_question + sum(each.in_question for each in told),
        lost=LostCalls(
            overflow=losses.overflow + sum(each.overflow for each in told),
            killed=losses.killed + sum(each.killed for each in told),
            unreadable=losses.unreadable + sum(each.unreadable for each in told),
            failed=losses.failed + sum(each.failed for each in told),
        ),
        servers=1 + sum(other.is_heard for other in others),
        recorder=None if recorder is None else recorder.name,
        problem=problem,
        retention=CallRetention(days=days, max_gb=max_gb),
    )


def _problem_of(other: OtherServer) -> str:
    return f"Server {other.report.host}:{other.report.process}: {other.report.problem}"
