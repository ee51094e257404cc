"""Removal of what users deleted: in small batches, resumable, leaving only ids and times.

These stay so that a deleted object remains a valid cursor while a client pages through its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, exists, select, tuple_, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.ids import FileId, RunId
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.tables import (
    chunks,
    evals,
    files,
    is_active_run,
    output_items,
    run_column_heads,
    run_columns,
    run_events,
    runs,
    upload_parts,
)


@dataclass(frozen=True, slots=True)
class DeletedRun:
    """A run that is deleted but not purged."""

    key: int
    scope: ProjectScope
    id: RunId


@dataclass(frozen=True, slots=True)
class DeletedFile:
    """A file that is deleted but not purged."""

    key: int
    scope: ProjectScope
    id: FileId


async def find_deleted_run(tx: AsyncConnection, _scope: EngineScope) -> DeletedRun | None:
    """Return a run that waits to be purged and whose samples are not being graded by a run under way."""
    deleted = runs.alias("deleted")
    in_use = exists().where(runs.c.source_run_key == deleted.c.key, is_active_run)
    query = (
        select(deleted.c.key, deleted.c.project_id, deleted.c.public_id)
        .where(deleted.c.deleted_at.is_not(None), deleted.c.purged_at.is_(None), ~in_use)
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else DeletedRun(row.key, ProjectScope(row.project_id), RunId(row.public_id))


async def purge_output_items(
    tx: AsyncConnection, scope: ProjectScope, run_key: int, limit: int, after: tuple[int, int] | None = None
) -> tuple[int, int] | None:
    """Delete output items of a run in order of position; return (position, repeat) of the last, None if none was left.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        run_key: The run.
        limit: The most items to delete.
        after: What the previous call returned, None to begin at the first. PostgreSQL keeps deleted rows for a
            while, and without this would walk past all of them each time.
    """
    key = (output_items.c.position, output_items.c.repeat)
    rest = and_(output_items.c.run_key == run_key, output_items.c.project_id == scope.project_id)
    if after is not None:
        rest = and_(rest, tuple_(*key) > after)
    found = (await tx.execute(select(*key).where(rest).order_by(*key).limit(limit))).all()
    if not found:
        return None
    last = (found[-1].position, found[-1].repeat)
    await tx.execute(delete(output_items).where(rest, tuple_(*key) <= last))
    return last


async def finish_run_purge(tx: AsyncConnection, scope: ProjectScope, run_key: int, at: int) -> None:
    """Erase a run's documents, chunks, columns and events, once its output items are gone."""
    for table in (chunks, run_columns, run_column_heads, run_events):
        await tx.execute(delete(table).where(table.c.run_key == run_key, table.c.project_id == scope.project_id))
    await tx.execute(
        update(runs)
        .where(runs.c.key == run_key, runs.c.project_id == scope.project_id)
        .values(
            purged_at=at,
            name="",
            model="",
            metadata={},
            data_source="{}",
            warnings=[],
            error=None,
            imported_document=None,
            options=None,
            flow=None,
            spending=None,
            regrading=None,
            testing_criteria=None,
        )
    )


async def purge_evals(tx: AsyncConnection, _scope: EngineScope, at: int) -> None:
    """Erase the documents of deleted evals whose runs are all purged."""
    unpurged = exists().where(runs.c.eval_key == evals.c.key, runs.c.purged_at.is_(None))
    await tx.execute(
        update(evals)
        .where(evals.c.deleted_at.is_not(None), evals.c.purged_at.is_(None), ~unpurged)
        .values(
            purged_at=at,
            name="",
            metadata={},
            data_source_config="{}",
            testing_criteria="[]",
            warnings=[],
            imported_document=None,
        )
    )


async def find_deleted_file(tx: AsyncConnection, _scope: EngineScope) -> DeletedFile | None:
    """Return a deleted file that no unfinished run reads."""
    is_read = and_(runs.c.file_id == files.c.public_id, runs.c.project_id == files.c.project_id)
    in_use = exists().where(is_read, is_active_run)
    query = (
        select(files.c.key, files.c.project_id, files.c.public_id)
        .where(files.c.deleted_at.is_not(None), files.c.purged_at.is_(None), ~in_use)
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else DeletedFile(row.key, ProjectScope(row.project_id), FileId(row.public_id))


async def finish_file_purge(tx: AsyncConnection, scope: ProjectScope, key: int, at: int) -> None:
    """Erase the record of a file whose content is gone."""
    of_file = (files.c.key == key) & (files.c.project_id == scope.project_id)
    await tx.execute(update(files).where(of_file).values(purged_at=at, filename="", imported_document=None))


async def list_owned_blobs(tx: AsyncConnection, scope: ProjectScope, names: Sequence[str]) -> set[str]:
    """Return which of these blobs of a project one of its files, runs or parts of uploads still needs."""
    owners = [
        select(table.c.public_id).where(
            table.c.public_id.in_(names), table.c.project_id == scope.project_id, table.c.purged_at.is_(None)
        )
        for table in (files, runs)
    ]
    of_parts = and_(upload_parts.c.public_id.in_(names), upload_parts.c.project_id == scope.project_id)
    owners.append(select(upload_parts.c.public_id).where(of_parts))
    return set((await tx.execute(union(*owners))).scalars())
