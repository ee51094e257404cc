"""What became of the calls that were to be stored."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy.exc import SQLAlchemyError

from evalhaven.api.readiness import ProcessState
from evalhaven.api.replicas import OtherServer, Replicas
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.handover.sender import LogSender
from evalhaven.logs.store import DayVolume, LogStore
from evalhaven.wire.logs import CallRetention, LogStatus, LostCalls, StoredCalls, StoredDay

_SOME_PROBLEM = "Calls are not being stored now. Whoever operates the server sees why."


async def log_status(
    store: LogStore,
    sender: LogSender,
    recorder: ProcessState | None,
    replicas: Replicas,
    scope: ProjectScope,
    retention: CallRetention,
    most_days: int,
) -> LogStatus:
    """Return the state of logging, of all servers together, for whoever operates them.

    Args:
        store: Where calls are.
        sender: The way to it.
        recorder: State of the process that stores calls; None if none is needed.
        replicas: The servers beside this one.
        scope: The project in which that is asked.
        retention: How long the calls of the project are kept.
        most_days: For how many days those of other projects may be.
    """
    counts, losses = sender.counts, sender.counts.losses
    problem = None if recorder is None else recorder.reason or None
    stored = None
    others: Sequence[OtherServer] = ()
    try:
        volume = await store.measure()
        stored = _stored(await store.count_by_day(scope), volume.days, retention.days, most_days)
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
        retention=retention,
    )


def of_project(status: LogStatus) -> LogStatus:
    """Return a status as those see it who do not operate the server: without what is about all projects."""
    stored = status.stored
    if stored is not None:
        days = [day.model_copy(update={"all_calls": None, "size_bytes": None}) for day in stored.days if day.calls]
        stored = stored.model_copy(update={"all_calls": None, "size_bytes": None, "days": days})
    hidden = dict.fromkeys(("pending", "in_question", "lost", "servers"))
    problem = None if status.problem is None else _SOME_PROBLEM
    return status.model_copy(update={**hidden, "stored": stored, "problem": problem})


def _stored(counts: Mapping[str, int], days: Sequence[DayVolume], kept_days: int, most_days: int) -> StoredCalls:
    return StoredCalls(
        calls=sum(counts.values()),
        all_calls=sum(each.calls for each in days),
        size_bytes=sum(each.size_bytes for each in days),
        oldest_day=min(counts, default=None),
        days=[
            StoredDay(
                day=each.day,
                calls=counts.get(each.day, 0),
                all_calls=each.calls,
                size_bytes=each.size_bytes,
                dropped_on=_day_after(each.day, kept_days if each.day in counts else most_days),
            )
            for each in days
        ],
    )


def _day_after(day: str, kept_days: int) -> str:
    """Return the first day on which a day is older than its calls are kept."""
    return (date.fromisoformat(day) + timedelta(days=kept_days + 1)).isoformat()


def _problem_of(other: OtherServer) -> str:
    return f"Server {other.report.host}:{other.report.process}: {other.report.problem}"
