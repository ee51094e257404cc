"""Writes of runs; `runs` and the importers call them, routes never do."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.evals import Caution
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.run_events import RunEvent, RunEventType
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import Tally
from evalhaven.storage.events import record_event
from evalhaven.storage.imports import imported_text
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.run_history import append_events
from evalhaven.storage.run_rows import (
    choice_values,
    error_values,
    option_values,
    regrading_values,
    tally_values,
    warning_values,
)
from evalhaven.storage.run_secrets import forget_secrets
from evalhaven.storage.runs import get_run_by_key
from evalhaven.storage.tables import runs

# Statements that are executed again and again are made once; what they set are the values that are given with them.
_UPDATE = update(runs).where(runs.c.key == bindparam("of_key"), runs.c.project_id == bindparam("of_project"))
_UPDATE_WITH_ITEMS = _UPDATE.values(items_version=runs.c.items_version + 1)
_UPDATE_VISIBLE = _UPDATE.where(runs.c.deleted_at.is_(None))
_RUN_EVENT_TYPES: dict[RunStatus, RunEventType] = {
    RunStatus.IN_PROGRESS: "started",
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELED: "canceled",
}
_EVENT_TYPES = {
    RunStatus.COMPLETED: "eval.run.succeeded",
    RunStatus.FAILED: "eval.run.failed",
    RunStatus.CANCELED: "eval.run.canceled",
}


async def insert_run(tx: AsyncConnection, scope: ProjectScope, new: Run, imported_at: int | None = None) -> int:
    """Store a new run, or one that is imported; return its internal number."""
    inserted = await tx.execute(
        insert(runs)
        .returning(runs.c.key)
        .values(
            project_id=scope.project_id,
            eval_key=new.eval_key,
            public_id=new.id,
            created_at=new.created_at,
            updated_at=new.created_at,
            status=new.status,
            name=new.name,
            model=new.model,
            metadata=new.metadata,
            data_source=new.data_source.text,
            has_inline_rows=new.has_inline_rows,
            file_id=new.file_id,
            warnings=warning_values(new.warnings),
            options=option_values(new.options),
            started_at=new.started_at,
            ended_at=new.ended_at,
            error=error_values(new.error),
            items_planned=new.items_planned,
            **tally_values(new.tally),
            imported_at=imported_at,
            imported_document=imported_text(new.imported),
            source_run_key=None if new.regrading is None else new.regrading.source_key,
            regrading=regrading_values(new.regrading),
            testing_criteria=None if new.own_criteria is None else new.own_criteria.text,
            source_bytes=new.source_bytes,
            format=new.format,
            traceparent=new.traceparent,
        )
    )
    return inserted.scalar_one()


async def save_status(tx: WriteTransaction, scope: ProjectScope, run: Run, at: int) -> None:
    """Write a run's status, times and error; a final status is also told to the outbox of events."""
    values = {
        "status": run.status,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "updated_at": at,
        "error": error_values(run.error),
    }
    if run.status.is_final:
        values["evaluated_by"] = None
    updated = await tx.execute(_UPDATE, {**_of(scope, run.key), **values})
    if run.status.is_final:
        await forget_secrets(tx, scope, run.key)
    if not updated.rowcount:
        return
    if run.status in _RUN_EVENT_TYPES:
        details: JsonObject = {} if run.error is None else {"code": run.error.code, "reason": run.error.message}
        await append_events(tx, scope, run.key, [RunEvent(_RUN_EVENT_TYPES[run.status], at, details)])
    if run.status in _EVENT_TYPES:
        await record_event(tx, scope, _EVENT_TYPES[run.status], run.id, at)


async def save_reopened(tx: AsyncConnection, scope: ProjectScope, run: Run, at: int) -> None:
    """Write that a final run is queued again, with the options that hold from now on."""
    updated = await tx.execute(
        update(runs)
        .where(runs.c.key == run.key, runs.c.project_id == scope.project_id)
        .values(
            status=run.status,
            ended_at=run.ended_at,
            updated_at=at,
            error=error_values(run.error),
            times_retried=run.times_retried,
            options=option_values(run.options),
            retry_choice=choice_values(run.retry_choice),
            evaluated_by=None,
            deaths=0,
        )
    )
    missing = 0 if run.items_planned is None else run.items_planned - run.tally.total
    details: JsonObject = {} if run.retry_choice is not None else {"items": run.tally.errored + missing}
    if updated.rowcount:
        await append_events(tx, scope, run.key, [RunEvent("retried", at, details)])


async def save_plan(
    tx: WriteTransaction, scope: ProjectScope, key: int, items_planned: int, at: int, cautions: Sequence[Caution] = ()
) -> None:
    """Mark a run as planned: all of its chunks are stored.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        key: The run, locked.
        items_planned: Output items it will have.
        at: Unix second.
        cautions: What to warn of beside what the run warns of already.
    """
    updated = await tx.execute(_UPDATE, {**_of(scope, key), "items_planned": items_planned})
    if not updated.rowcount:
        return
    await append_events(tx, scope, key, [RunEvent("planned", at, {"items": items_planned})])
    if cautions:
        known = (await get_run_by_key(tx, scope, key)).warnings
        await save_warnings(tx, scope, key, list(dict.fromkeys((*known, *cautions))))


async def save_warnings(tx: WriteTransaction, scope: ProjectScope, key: int, warnings: Sequence[Caution]) -> None:
    """Write what a run warns of."""
    of_run = (runs.c.key == key) & (runs.c.project_id == scope.project_id)
    await tx.execute(update(runs).where(of_run).values(warnings=warning_values(warnings)))


async def save_tally(
    tx: WriteTransaction, scope: ProjectScope, key: int, tally: Tally, *, is_progress: bool = True
) -> None:
    """Write a run's tally; call it with the run locked, in the transaction that stored the items.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        key: The run.
        tally: What its items add up to.
        is_progress: Whether any item is new: what killed processes before did not keep it from being stored.
    """
    values = _of(scope, key) | tally_values(tally)
    if is_progress:
        await tx.execute(_UPDATE_WITH_ITEMS, {**values, "deaths": 0})
    else:
        await tx.execute(_UPDATE, values)


async def note_items_changed(tx: AsyncConnection, scope: ProjectScope, key: int) -> None:
    """Note that items of a run were stored otherwise than by executing it: what was made of them is outdated."""
    of_run = (runs.c.key == key) & (runs.c.project_id == scope.project_id)
    await tx.execute(update(runs).where(of_run).values(items_version=runs.c.items_version + 1))


async def save_flow(
    tx: WriteTransaction, scope: ProjectScope, key: int, flow: JsonObject, happened: Sequence[RunEvent] = ()
) -> None:
    """Write how a run's calls to models go, and what happened to them; of a deleted run nothing is written."""
    updated = await tx.execute(_UPDATE_VISIBLE, {**_of(scope, key), "flow": flow})
    if updated.rowcount:
        await append_events(tx, scope, key, happened)


async def delete_run(tx: AsyncConnection, scope: ProjectScope, key: int, at: int) -> None:
    """Hide a run; its rows are purged later."""
    await tx.execute(update(runs).where(runs.c.key == key, runs.c.project_id == scope.project_id).values(deleted_at=at))


def _of(scope: ProjectScope, key: int) -> dict[str, Any]:
    """Return the values that name a run in a statement."""
    return {"of_key": key, "of_project": scope.project_id}
