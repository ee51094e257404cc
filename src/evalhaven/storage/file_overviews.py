"""Queries for overviews of files: with the runs that read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, String, func, literal, or_, select, tuple_

from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import evals, files, runs

SHOWN_RUNS = 5
_IN_PARTS = {"yield_per": 100}
_AGE = (files.c.created_at, files.c.public_id)


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Which files are wanted: those for which everything that is given holds.

    Attributes:
        search: Part of the name or the id, whatever the case.
        purpose: Their purpose.
    """

    search: str | None = None
    purpose: str | None = None


async def find_files(
    tx: ReadTransaction, scope: ProjectScope, wanted: FileFilter, after: tuple[int, str] | None, limit: int, now: int
) -> tuple[list[Row[Any]], bool]:
    """Return files, the newest first, and whether others follow.

    Args:
        tx: Open transaction.
        scope: Whose files.
        wanted: Which of them.
        after: Time of creation and id of the last file of the page before.
        limit: Most files.
        now: Unix second.
    """
    query = select(
        files.c.public_id,
        files.c.filename,
        files.c.purpose,
        files.c.size_bytes,
        files.c.created_at,
        files.c.expires_at,
        files.c.imported_at,
    ).where(
        files.c.project_id == scope.project_id,
        files.c.deleted_at.is_(None),
        or_(files.c.expires_at.is_(None), files.c.expires_at > now),
    )
    if after is not None:
        query = query.where(tuple_(*_AGE) < tuple_(literal(after[0]), literal(after[1], String())))
    found: list[Row[Any]] = []
    ordered = query.order_by(*(column.desc() for column in _AGE))
    async with tx.stream(ordered, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            if _is_wanted(row, wanted):
                if len(found) == limit:
                    return found, True
                found.append(row)
    return found, False


async def list_readers(tx: ReadTransaction, scope: ProjectScope, file_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """Return the newest runs that read each of some files, with the number of all of them as `readers`."""
    newest = (
        func.row_number()
        .over(partition_by=runs.c.file_id, order_by=(runs.c.created_at.desc(), runs.c.public_id.desc()))
        .label("place")
    )
    ranked = (
        select(
            runs.c.file_id,
            runs.c.public_id,
            runs.c.name,
            runs.c.status,
            runs.c.created_at,
            runs.c.items_planned,
            runs.c.options,
            runs.c.model,
            evals.c.public_id.label("eval_id"),
            evals.c.name.label("eval_name"),
            func.count().over(partition_by=runs.c.file_id).label("readers"),
            newest,
        )
        .select_from(runs)
        .join(evals, runs.c.eval_key == evals.c.key)
        .where(
            runs.c.file_id.in_(file_ids),
            runs.c.project_id == scope.project_id,
            runs.c.deleted_at.is_(None),
            evals.c.deleted_at.is_(None),
        )
        .subquery()
    )
    query = select(ranked).where(ranked.c.place <= SHOWN_RUNS).order_by(ranked.c.file_id, ranked.c.place)
    found: dict[str, list[Row[Any]]] = {}
    for row in (await tx.execute(query)).all():
        found.setdefault(row.file_id, []).append(row)
    return found


def _is_wanted(row: Row[Any], wanted: FileFilter) -> bool:
    if wanted.purpose is not None and row.purpose != wanted.purpose:
        return False
    sought = (wanted.search or "").casefold()
    return sought in row.filename.casefold() or sought in row.public_id.casefold()
