"""Queries on limits: what a project and its keys may use, and what of it is used."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Table, bindparam, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import NO_LIMITS, Limits, MonthCost, month_of, refuse_more_bytes
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.access.tables import api_keys, key_limits, limits, month_costs
from evalhaven.storage.reading import ReadTransaction, WriteTransaction
from evalhaven.storage.tables import files, is_active_run, projects, runs, upload_parts, uploads

# Statements that are executed again and again are made once.
_MONTH_LIMIT = select(limits.c.month_cost).where(limits.c.project_id == bindparam("of_project"))
_MONTH_SPENT = select(month_costs.c.cost).where(
    month_costs.c.project_id == bindparam("of_project"), month_costs.c.month == bindparam("of_month")
)
_ADD_TO_MONTH = text(  # both databases know it in these words
    "INSERT INTO month_costs (project_id, month, cost) VALUES (:project, :month, :cost) "
    "ON CONFLICT (project_id, month) DO UPDATE SET cost = month_costs.cost + excluded.cost"
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What of its limits a project uses.

    Attributes:
        concurrent_runs: Runs that are queued or under way.
        stored_bytes: Bytes of its files, of the parts of uploads, and of inline rows.
        month_cost: US dollars of the calls of all runs in this month, deleted ones included.
    """

    concurrent_runs: int
    stored_bytes: int
    month_cost: float


async def get_limits(tx: ReadTransaction, scope: ProjectScope) -> Limits:
    """Return what a project may use."""
    row = (await tx.execute(select(limits).where(limits.c.project_id == scope.project_id))).one_or_none()
    return NO_LIMITS if row is None else _limits(row)


async def save_limits(tx: AsyncConnection, scope: ProjectScope, new: Limits) -> None:
    """Store what a project may use from now on."""
    await lock_project(tx, scope)
    values = {
        "requests_per_minute": new.requests_per_minute,
        "concurrent_runs": new.concurrent_runs,
        "stored_bytes": new.stored_bytes,
        "run_cost": new.run_cost,
        "month_cost": new.month_cost,
    }
    await _put(tx, limits, {"project_id": scope.project_id}, values)


async def save_key_limit(
    tx: AsyncConnection, scope: ProjectScope, key_id: str, requests_per_minute: int | None
) -> None:
    """Store how many requests a minute a key of a project may make; None: as many as its project may."""
    of_project = (api_keys.c.project_id == scope.project_id) & (api_keys.c.public_id == key_id)
    key = (await tx.execute(select(api_keys.c.key).where(of_project).with_for_update(key_share=True))).scalar_one()
    if requests_per_minute is None:
        await tx.execute(delete(key_limits).where(key_limits.c.api_key_key == key))
    else:
        values = {"project_id": scope.project_id, "requests_per_minute": requests_per_minute}
        await _put(tx, key_limits, {"api_key_key": key}, values)


async def lock_project(tx: AsyncConnection, scope: ProjectScope) -> None:
    """Make others who lock a project wait until this transaction ends; those who refer to its row need not."""
    await tx.execute(select(projects.c.id).where(projects.c.id == scope.project_id).with_for_update(key_share=True))


async def measure_usage(tx: ReadTransaction, scope: ProjectScope, now: int) -> Usage:
    """Return what a project uses.

    Args:
        tx: Open transaction.
        scope: The project.
        now: Unix second, which says which month it is.
    """
    return Usage(
        concurrent_runs=await count_active_runs(tx, scope),
        stored_bytes=await measure_stored(tx, scope),
        month_cost=await measure_month_cost(tx, scope, now),
    )


async def refuse_full(tx: ReadTransaction, scope: ProjectScope, more: int, param: str | None = None) -> None:
    """Refuse bytes for which a project has no room left.

    Raises:
        LimitExceededError: They do not fit.
    """
    allowed = await get_limits(tx, scope)
    if allowed.stored_bytes is not None:
        refuse_more_bytes(allowed, await measure_stored(tx, scope), more, param)


async def claim_room(tx: AsyncConnection, scope: ProjectScope, more: int, param: str | None = None) -> None:
    """Refuse bytes as `refuse_full` does, in the transaction that stores them; others that store some wait for it.

    Raises:
        LimitExceededError: They do not fit.
    """
    if (await get_limits(tx, scope)).stored_bytes is not None:
        await lock_project(tx, scope)
        await refuse_full(tx, scope, more, param)


async def count_active_runs(tx: ReadTransaction, scope: ProjectScope) -> int:
    """Return how many runs of a project are queued or under way."""
    query = select(func.count()).select_from(runs).where(is_active_run, runs.c.project_id == scope.project_id)
    return (await tx.execute(query)).scalar_one()


async def measure_stored(tx: ReadTransaction, scope: ProjectScope) -> int:
    """Return the bytes of a project's files, parts of uploads and inline rows that are on the disk."""
    own = scope.project_id
    parts = [
        select(func.sum(files.c.size_bytes)).where(files.c.project_id == own, files.c.purged_at.is_(None)),
        select(func.sum(upload_parts.c.size_bytes))
        .join(uploads, uploads.c.key == upload_parts.c.upload_key)
        .where(upload_parts.c.project_id == own, uploads.c.purged_at.is_(None)),
        select(func.sum(runs.c.source_bytes)).where(
            runs.c.project_id == own, runs.c.has_inline_rows, runs.c.purged_at.is_(None)
        ),
    ]
    return sum([int((await tx.execute(part)).scalar_one() or 0) for part in parts])


async def measure_month_cost(tx: ReadTransaction, scope: ProjectScope, now: float) -> float:
    """Return the US dollars of the calls of a project whose items, or grades, were stored in this month."""
    values = {"of_project": scope.project_id, "of_month": month_of(now)}
    return (await tx.execute(_MONTH_SPENT, values)).scalar_one_or_none() or 0.0


async def find_month_cost(tx: ReadTransaction, scope: ProjectScope, now: float) -> MonthCost | None:
    """Return what the calls of a project's runs may come to in this month, and have come to; None without a limit."""
    most = (await tx.execute(_MONTH_LIMIT, {"of_project": scope.project_id})).scalar_one_or_none()
    if most is None:
        return None
    return MonthCost(month_of(now), most, await measure_month_cost(tx, scope, now))


async def add_month_cost(tx: WriteTransaction, scope: ProjectScope, now: float, cost: float) -> None:
    """Add to what a project's calls have cost in this month.

    Call it last in a transaction: all that store items of the project wait for each other from here on.

    Args:
        tx: Open write transaction, that of the items or the grade which the calls were made for.
        scope: Whose project.
        now: Unix second, which says which month it is.
        cost: US dollars.
    """
    await tx.execute(_ADD_TO_MONTH, {"project": scope.project_id, "month": month_of(now), "cost": cost})


def _limits(row: Row[Any]) -> Limits:
    """Return the limits in a row; all columns may be NULL."""
    return Limits(row.requests_per_minute, row.concurrent_runs, row.stored_bytes, row.run_cost, row.month_cost)


async def _put(tx: AsyncConnection, table: Table, at: dict[str, Any], values: dict[str, Any]) -> None:
    """Update a row, or insert it; whoever could do so at the same time is locked out.

    Args:
        tx: Open write transaction.
        table: Whose row.
        at: Its primary key.
        values: The other columns.
    """
    is_row = [table.c[name] == value for name, value in at.items()]
    if not (await tx.execute(update(table).where(*is_row).values(values))).rowcount:
        await tx.execute(insert(table).values({**at, **values}))
