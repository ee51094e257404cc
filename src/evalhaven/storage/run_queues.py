"""Queries for what waits: the runs under way with their chunks."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Integer, Row, cast, func, select, tuple_

from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import chunks, evals, is_active_run, runs


async def list_queued_and_started(tx: ReadTransaction, scope: ProjectScope, limit: int) -> Sequence[Row[Any]]:
    """Return the runs that are queued or in progress, oldest first."""
    query = (
        select(
            runs.c.key,
            runs.c.public_id,
            runs.c.name,
            runs.c.status,
            runs.c.created_at,
            runs.c.items_planned,
            runs.c.format,
            evals.c.public_id.label("eval_id"),
        )
        .join(evals, evals.c.key == runs.c.eval_key)
        .where(is_active_run, runs.c.project_id == scope.project_id, runs.c.deleted_at.is_(None))
        .order_by(runs.c.key)
        .limit(limit)
    )
    return (await tx.execute(query)).all()


async def count_chunks(
    tx: ReadTransaction, scope: ProjectScope, run_keys: Sequence[int]
) -> Mapping[int, tuple[int, int]]:
    """Return for runs how many chunks each has, and how many of them are done."""
    done = func.sum(cast(chunks.c.is_done, Integer))
    query = (
        select(chunks.c.run_key, func.count().label("all"), done.label("done"))
        .where(chunks.c.run_key.in_(run_keys), chunks.c.project_id == scope.project_id)
        .group_by(chunks.c.run_key)
    )
    return {row.run_key: (row.all, int(row.done)) for row in (await tx.execute(query)).all()}


async def count_rows(
    tx: ReadTransaction, scope: ProjectScope, numbers: Collection[tuple[int, int]]
) -> Mapping[tuple[int, int], int]:
    """Return how many rows some chunks have, each given by its run and number."""
    query = select(chunks.c.run_key, chunks.c.number, chunks.c.row_count).where(
        tuple_(chunks.c.run_key, chunks.c.number).in_(list(numbers)), chunks.c.project_id == scope.project_id
    )
    return {(row.run_key, row.number): row.row_count for row in (await tx.execute(query)).all()}
