"""Queries on the chunks of runs."""

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.runs import Chunk
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.reading import ReadTransaction, WriteTransaction
from evalhaven.storage.tables import chunks

# Statements that are executed again and again are made once.
_IS_OF_RUN = (chunks.c.run_key == bindparam("of_run")) & (chunks.c.project_id == bindparam("of_project"))
_INSERT = insert(chunks)
_DELETE = delete(chunks).where(_IS_OF_RUN)
_MARK_DONE = (
    update(chunks).where(_IS_OF_RUN, chunks.c.number.in_(bindparam("numbers", expanding=True))).values(is_done=True)
)


async def insert_chunks(tx: WriteTransaction, scope: ProjectScope, run_key: int, new: Sequence[Chunk]) -> None:
    """Store chunks of a run that is being planned."""
    rows = [
        {
            "project_id": scope.project_id,
            "run_key": run_key,
            "number": chunk.number,
            "first_position": chunk.first_position,
            "row_count": chunk.row_count,
            "byte_start": chunk.byte_start,
            "byte_end": chunk.byte_end,
            "last_position": chunk.last_position,
        }
        for chunk in new
    ]
    await tx.execute(_INSERT, rows)


async def delete_chunks(tx: WriteTransaction, scope: ProjectScope, run_key: int) -> None:
    """Delete the chunks of a run: an interrupted plan left them, or they are no longer needed."""
    await tx.execute(_DELETE, {"of_run": run_key, "of_project": scope.project_id})


async def list_pending_chunks(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, above: int, limit: int
) -> list[Chunk]:
    """Return the next chunks of a run that are not done, in order.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        above: Return only chunks with a larger number; -1 for all.
        limit: The most chunks to return.
    """
    query = (
        select(chunks)
        .where(chunks.c.run_key == run_key, chunks.c.project_id == scope.project_id)
        .where(chunks.c.is_done.is_(False), chunks.c.number > above)
        .order_by(chunks.c.number)
        .limit(limit)
    )
    return [
        Chunk(row.number, row.first_position, row.row_count, row.byte_start, row.byte_end, row.last_position)
        for row in (await tx.execute(query)).all()
    ]


async def find_first_pending_position(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> int | None:
    """Return the first position of the first chunk of a run that is not done; None if there is no such chunk."""
    query = (
        select(chunks.c.first_position)
        .where(chunks.c.run_key == run_key, chunks.c.project_id == scope.project_id, chunks.c.is_done.is_(False))
        .order_by(chunks.c.number)
        .limit(1)
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def mark_chunks_done(tx: WriteTransaction, scope: ProjectScope, run_key: int, numbers: Sequence[int]) -> None:
    """Mark chunks as done; call it in or after the transaction that stored their last items."""
    await tx.execute(_MARK_DONE, {"of_run": run_key, "of_project": scope.project_id, "numbers": list(numbers)})


async def reopen_chunks(tx: AsyncConnection, scope: ProjectScope, run_key: int) -> None:
    """Mark all chunks of a run as not done: when executed, each is searched for missing items."""
    await tx.execute(
        update(chunks).where(chunks.c.run_key == run_key, chunks.c.project_id == scope.project_id).values(is_done=False)
    )
