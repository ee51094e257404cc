"""Queries for overviews of evals: which evals, with how many runs, and the last runs of each, in a few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, String, bindparam, case, func, literal, select, tuple_

from evalhaven.domain.evals import DataSourceConfig
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.evals import EVAL_COLUMNS
from evalhaven.storage.keyset import Query
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import evals, output_items, run_columns, runs

EvalSort = Literal["last_run", "created", "updated"]
"""By what evals are sorted."""

NO_RUNS = "none"
"""Stands for the status of the last run of an eval that has none."""

RECENT_RUNS = 20
_IN_PARTS = {"yield_per": 100}
_FEW_AT_ONCE = {"yield_per": 8}  # criteria may hold megabytes
_NEVER = -1
_FIRST_SAMPLES = 100
_others = runs.alias("others")
_of_eval = (_others.c.eval_key == evals.c.key) & _others.c.deleted_at.is_(None)
_first_samples = (
    select(output_items.c.repeat)
    .where(output_items.c.run_key == runs.c.key)
    .order_by(output_items.c.position, output_items.c.repeat)
    .limit(_FIRST_SAMPLES)
    .correlate(runs)
    .subquery()
)
RUN_POINT_COLUMNS = (
    runs.c.key,
    runs.c.eval_key,
    runs.c.public_id,
    runs.c.name,
    runs.c.model,
    runs.c.status,
    runs.c.created_at,
    runs.c.ended_at,
    runs.c.items_planned,
    runs.c.passed,
    runs.c.failed,
    runs.c.errored,
    runs.c.options,
    runs.c.error,
    runs.c.source_run_key,
    runs.c.items_version,
    runs.c.columns_version,
    # How many samples an item has is not known of an imported run, nor of one that grades its samples again.
    case(
        (
            runs.c.imported_at.is_not(None) | runs.c.source_run_key.is_not(None),
            select(func.max(_first_samples.c.repeat) + 1).scalar_subquery(),
        )
    ).label("samples_found"),
)


@dataclass(frozen=True, slots=True)
class EvalFilter:
    """Which evals are wanted: those for which everything that is given holds.

    Attributes:
        search: Part of the name or the id, whatever the case.
        types: Types of their data source config; empty for all.
        statuses: Statuses of their last run, or `NO_RUNS`; empty for all.
        metadata: Keys and values that they carry.
    """

    search: str | None = None
    types: Sequence[str] = ()
    statuses: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class FoundEval:
    """An eval of a page, and where it stands in the order: the value it is sorted by, and its id."""

    key: int
    place: tuple[int, str]


async def find_evals(
    tx: ReadTransaction,
    scope: ProjectScope,
    wanted: EvalFilter,
    sort: tuple[EvalSort, Order],
    after: tuple[int, str] | None,
    limit: int,
) -> tuple[list[FoundEval], bool]:
    """Return the evals of a page, and whether others follow.

    Args:
        tx: Open transaction.
        scope: Whose evals.
        wanted: Which of them.
        sort: By what they are sorted, and in which order.
        after: The place of the last eval of the page before.
        limit: Most evals.
    """
    by, order = sort
    value = _sort_value(by)
    last_status = (
        select(_others.c.status).where(_of_eval).order_by(*_newest(_others)).limit(1).correlate(evals).scalar_subquery()
    )
    query = select(
        evals.c.key,
        evals.c.public_id,
        evals.c.name,
        evals.c.metadata,
        value.label("place"),
        (evals.c.data_source_config if wanted.types else literal(None)).label("config"),
        (last_status if wanted.statuses else literal(None)).label("last_status"),
    ).where(evals.c.project_id == scope.project_id, evals.c.deleted_at.is_(None))
    if after is not None:
        place = tuple_(literal(after[0]), literal(after[1], String()))
        here = tuple_(value, evals.c.public_id)
        query = query.where(here < place if order == "desc" else here > place)
    keys = (value, evals.c.public_id)
    query = query.order_by(*(key.desc() if order == "desc" else key.asc() for key in keys))
    found: list[FoundEval] = []
    async with tx.stream(query, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            if not _is_wanted(row, wanted):
                continue
            if len(found) == limit:
                return found, True
            found.append(FoundEval(row.key, (row.place, row.public_id)))
    return found, False


async def list_eval_rows(tx: ReadTransaction, scope: ProjectScope, keys: Sequence[int]) -> "list[Row[Any]]":
    """Return the values of `EVAL_COLUMNS` of some evals, in any order."""
    query = select(*EVAL_COLUMNS).where(evals.c.project_id == scope.project_id, evals.c.key.in_(keys))
    async with tx.stream(query, execution_options=_FEW_AT_ONCE) as rows:
        return [row async for row in rows]


async def count_runs(tx: ReadTransaction, scope: ProjectScope, keys: Sequence[int]) -> dict[int, int]:
    """Return how many runs each of some evals has; those without any are left out."""
    query = (
        select(runs.c.eval_key, func.count())
        .where(runs.c.eval_key.in_(keys), runs.c.project_id == scope.project_id, runs.c.deleted_at.is_(None))
        .group_by(runs.c.eval_key)
    )
    return {row.eval_key: row[1] for row in (await tx.execute(query)).all()}


async def list_recent_runs(tx: ReadTransaction, scope: ProjectScope, keys: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """Return the values of `RUN_POINT_COLUMNS` of the last runs of some evals, the newest first."""
    # When the oldest of them was created is looked up in the index; a window function would read every run.
    oldest = (
        select(_others.c.created_at)
        .where(_of_eval)
        .order_by(*_newest(_others))
        .limit(1)
        .offset(RECENT_RUNS - 1)
        .correlate(evals)
        .scalar_subquery()
    )
    query = (
        select(*RUN_POINT_COLUMNS)
        .select_from(runs)
        .join(evals, (runs.c.eval_key == evals.c.key) & (runs.c.created_at >= func.coalesce(oldest, 0)))
        .where(evals.c.key.in_(keys), runs.c.project_id == scope.project_id, runs.c.deleted_at.is_(None))
        .order_by(*_newest(runs))
    )
    found: dict[int, list[Row[Any]]] = {}
    for row in (await tx.execute(query)).all():
        of_eval = found.setdefault(row.eval_key, [])
        if len(of_eval) < RECENT_RUNS:
            of_eval.append(row)
    return found


async def list_newest_runs(tx: ReadTransaction, scope: ProjectScope, eval_key: int, limit: int) -> Sequence[Row[Any]]:
    """Return the values of `RUN_POINT_COLUMNS` of the newest runs of an eval, the newest first."""
    query = (
        select(*RUN_POINT_COLUMNS)
        .where(runs.c.eval_key == eval_key, runs.c.project_id == scope.project_id, runs.c.deleted_at.is_(None))
        .order_by(*_newest(runs))
        .limit(limit)
    )
    return (await tx.execute(query)).all()


_COLUMNS_OF_RUNS: Query = (
    select(run_columns.c.run_key, run_columns.c.name, run_columns.c.data)
    .where(
        run_columns.c.run_key.in_(bindparam("run_keys", expanding=True)),
        run_columns.c.name.in_(bindparam("names", expanding=True)),
        run_columns.c.project_id == bindparam("project_id"),
    )
    .order_by(run_columns.c.run_key, run_columns.c.name, run_columns.c.part)
)


async def read_columns_of_runs(
    tx: ReadTransaction, scope: ProjectScope, run_keys: Sequence[int], names: Sequence[str]
) -> dict[int, dict[str, bytes]]:
    """Return some columns of several small runs, each as one piece; for columns that no part is without."""
    values: JsonObject = {"run_keys": list(run_keys), "names": list(names), "project_id": scope.project_id}
    found: dict[int, dict[str, bytes]] = {}
    for key, name, data in (await tx.execute(_COLUMNS_OF_RUNS, values)).all():
        of_run = found.setdefault(key, {})
        of_run[name] = of_run.get(name, b"") + data
    return found


def _sort_value(by: EvalSort) -> ColumnElement[int]:
    if by == "created":
        return evals.c.created_at
    if by == "updated":
        return evals.c.updated_at
    newest = (
        select(_others.c.created_at)
        .where(_of_eval)
        .order_by(*_newest(_others))
        .limit(1)
        .correlate(evals)
        .scalar_subquery()
    )
    return func.coalesce(newest, _NEVER)


def _newest(table: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return table.c.created_at.desc(), table.c.public_id.desc()


def _is_wanted(row: Row[Any], wanted: EvalFilter) -> bool:
    if wanted.search is not None:
        sought = wanted.search.casefold()
        if sought not in row.name.casefold() and sought not in row.public_id.casefold():
            return False
    if wanted.metadata and not wanted.metadata.items() <= row.metadata.items():
        return False
    if wanted.types and DataSourceConfig(row.config).json.get("type") not in wanted.types:
        return False
    return not wanted.statuses or (row.last_status or NO_RUNS) in wanted.statuses
