"""What happened to a run, on the wire."""

from collections.abc import Iterator

from evalhaven.domain.runs import Run
from evalhaven.storage.run_history import RunHistory
from evalhaven.wire.run_history import RunEventList, RunLifeEvent


def shown_history(run: Run, history: RunHistory) -> RunEventList:
    """Return the life of a run."""
    return RunEventList(object="list", data=list(_events(run, history)), has_more=False)


def _events(run: Run, history: RunHistory) -> Iterator[RunLifeEvent]:
    yield RunLifeEvent(type="created", at=run.created_at)
    known = {event.type for event in history.events}
    # Runs that were executed elsewhere or by an earlier release have nothing stored but their times.
    if run.started_at is not None and "started" not in known:
        yield RunLifeEvent(type="started", at=run.started_at)
    for event in history.events:
        yield RunLifeEvent.model_validate({"type": event.type, "at": event.at, **event.details})
    if run.ended_at is not None and run.status.value not in known:
        error = run.error
        yield RunLifeEvent.model_validate(
            {
                "type": run.status.value,
                "at": run.ended_at,
                **({} if error is None else {"code": error.code, "reason": error.message}),
            }
        )
    if history.imported_at is not None:
        yield RunLifeEvent(type="imported", at=history.imported_at)
