"""Queries for overviews of runs, over all evals or those of one: active ones first, then the others, newest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, Row, String, literal, select, tuple_

from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ACTIVE_RUN_STATUSES
from evalhaven.storage.eval_overviews import RUN_POINT_COLUMNS
from evalhaven.storage.keyset import Query
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import evals, is_active_run, pinned_runs, runs

T = TypeVar("T")

Part = Literal["active", "ended"]
"""The two parts of the list, in this order."""

_IN_PARTS = {"yield_per": 16}  # prompts may hold megabytes
_AGE = (runs.c.created_at, runs.c.public_id)
_earlier = runs.alias("earlier")
_EARLIER_AGE = (_earlier.c.created_at, _earlier.c.public_id)
_PREVIOUS = (
    select(_earlier.c.key)
    .where(
        _earlier.c.eval_key == runs.c.eval_key, _earlier.c.deleted_at.is_(None), tuple_(*_EARLIER_AGE) < tuple_(*_AGE)
    )
    .order_by(*(column.desc() for column in _EARLIER_AGE))
    .limit(1)
    .correlate(runs)
    .scalar_subquery()
)
SETUP_COLUMNS = (
    runs.c.key,
    runs.c.eval_key,
    runs.c.public_id,
    runs.c.model,
    runs.c.data_source,
    runs.c.source_bytes,
    runs.c.testing_criteria,
    runs.c.options,
    runs.c.spending,
)
"""What the setups of two runs are compared by."""

_OVERVIEW: Query = (
    select(
        *RUN_POINT_COLUMNS,
        *(column for column in SETUP_COLUMNS if column not in RUN_POINT_COLUMNS),
        runs.c.started_at,
        runs.c.metadata,
        runs.c.file_id,
        runs.c.times_retried,
        runs.c.regrading,
        runs.c.criteria_tally,
        runs.c.imported_at,
        evals.c.public_id.label("eval_id"),
        evals.c.name.label("eval_name"),
        evals.c.version.label("eval_version"),
        evals.c.follows.label("eval_follows"),
        pinned_runs.c.pinned_at,
        _PREVIOUS.label("previous_key"),
    )
    .select_from(runs)
    .join(evals, runs.c.eval_key == evals.c.key)
    .outerjoin(pinned_runs, (pinned_runs.c.eval_key == runs.c.eval_key) & (pinned_runs.c.run_key == runs.c.key))
)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs are wanted: those for which everything that is given holds.

    Attributes:
        eval_keys: Internal numbers of the evals that they belong to; None for all.
        statuses: Their status; empty for all.
        model: The model that they sample.
        search: Part of the name, the id or the model, whatever the case.
    """

    eval_keys: Sequence[int] | None = None
    statuses: Sequence[str] = ()
    model: str | None = None
    search: str | None = None


async def take_runs(
    tx: ReadTransaction,
    scope: ProjectScope,
    wanted: RunFilter,
    place: tuple[Part, tuple[int, str] | None],
    take: Callable[[Row[Any]], bool],
) -> None:
    """Hand out runs of one part of the list, the newest first, a few in memory at a time.

    Args:
        tx: Open transaction.
        scope: Whose runs.
        wanted: Which of them.
        place: The part, active runs or those that have ended, and time of creation and id of the last run of the page
            before.
        take: Takes a run, and tells whether another one is wanted.
    """
    part, after = place
    query = _OVERVIEW.where(
        of_project(scope),
        runs.c.deleted_at.is_(None),
        evals.c.deleted_at.is_(None),
        is_active_run if part == "active" else runs.c.status.not_in(ACTIVE_RUN_STATUSES),
    )
    if wanted.eval_keys is not None:
        query = query.where(runs.c.eval_key.in_(wanted.eval_keys))
    if wanted.statuses:
        query = query.where(runs.c.status.in_(wanted.statuses))
    if wanted.model is not None:
        query = query.where(runs.c.model == wanted.model)
    # A sum, so that the few active runs are read from their own index and sorted.
    age = (runs.c.created_at + 0, runs.c.public_id) if part == "active" else _AGE
    if after is not None:
        query = query.where(tuple_(*age) < tuple_(literal(after[0]), literal(after[1], String())))
    query = query.order_by(*(column.desc() for column in age))
    async with tx.stream(query, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            if (wanted.search is None or _contains(row, wanted.search.casefold())) and not take(row):
                return


def of_project(scope: ProjectScope) -> ColumnElement[bool]:
    """Return the condition that runs are a project's, for lists of the newest of all runs."""
    # A sum, so that the newest are read first instead of all of the project being sorted.
    return runs.c.project_id + 0 == scope.project_id


def can_have(wanted: RunFilter, part: Part) -> bool:
    """Tell whether a part of the list can have any of the wanted runs."""
    if not wanted.statuses:
        return True
    return any((status in ACTIVE_RUN_STATUSES) == (part == "active") for status in wanted.statuses)


async def read_setups(
    tx: ReadTransaction, scope: ProjectScope, keys: Sequence[int], read: Callable[[Row[Any]], T]
) -> dict[int, T]:
    """Return what is read of the `SETUP_COLUMNS` of some runs, by the key of the run."""
    query = select(*SETUP_COLUMNS).where(runs.c.key.in_(keys), runs.c.project_id == scope.project_id)
    async with tx.stream(query, execution_options=_IN_PARTS) as rows:
        return {row.key: read(row) async for row in rows}


async def find_last_run_before(
    tx: ReadTransaction, scope: ProjectScope, eval_keys: Sequence[int], age: tuple[int, str]
) -> int | None:
    """Return the internal number of the last run of some evals that was created before another one."""
    query = (
        select(runs.c.key)
        .where(
            runs.c.eval_key.in_(eval_keys),
            runs.c.project_id == scope.project_id,
            runs.c.deleted_at.is_(None),
            tuple_(*_AGE) < tuple_(literal(age[0]), literal(age[1], String())),
        )
        .order_by(*(column.desc() for column in _AGE))
        .limit(1)
    )
    return (await tx.execute(query)).scalar_one_or_none()


def _contains(row: Row[Any], sought: str) -> bool:
    return any(sought in text.casefold() for text in (row.name, row.public_id, row.model))
