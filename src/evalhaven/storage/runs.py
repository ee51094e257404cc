"""Queries on runs; what writes them is in `run_writes`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import islice, zip_longest

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.evals import Eval
from evalhaven.domain.ids import RUN_PREFIXES, RunId, is_id_text
from evalhaven.domain.paging import PAGE_BYTES, Order, Page, PageRequest
from evalhaven.domain.run_formats import NEWEST_FORMAT
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import Tally
from evalhaven.storage.evals import EVAL_COLUMNS, eval_of, get_eval
from evalhaven.storage.keyset import Query, find_position, page_of, page_values, text_length
from evalhaven.storage.reading import ReadTransaction, WriteTransaction
from evalhaven.storage.run_rows import (
    run_of,
    tally_of,
)
from evalhaven.storage.tables import evals, is_active_run, runs

_IN_PARTS = {"yield_per": 16}  # an imported run may hold its rows in its document
# Statements that are executed again and again are made once: to make one takes longer than to execute it.
_RUN = select(runs, evals.c.public_id.label("eval_id")).join(evals, runs.c.eval_key == evals.c.key)
_VISIBLE_RUN = _RUN.where(
    runs.c.public_id == bindparam("run_id"),
    runs.c.project_id == bindparam("project_id"),
    runs.c.deleted_at.is_(None),
    evals.c.deleted_at.is_(None),
)
_RUN_OF_EVAL = _VISIBLE_RUN.where(evals.c.public_id == bindparam("eval_id"))
_RUN_WITH_EVAL = _RUN_OF_EVAL.add_columns(*EVAL_COLUMNS)
_RUN_BY_KEY = _RUN.where(runs.c.key == bindparam("run_key"), runs.c.project_id == bindparam("project_id"))
_LOCKED_RUN = _RUN_BY_KEY.with_for_update(of=runs)
_LOCKED_TALLY = (
    select(
        runs.c.status,
        runs.c.times_retried,
        runs.c.passed,
        runs.c.failed,
        runs.c.errored,
        runs.c.unresolved,
        runs.c.criteria_tally,
        runs.c.spending,
    )
    .where(runs.c.key == bindparam("run_key"), runs.c.project_id == bindparam("project_id"))
    .with_for_update()
)
_KEY = (runs.c.created_at, runs.c.public_id)
_CAN_BE_EXECUTED = is_active_run & (runs.c.format <= NEWEST_FORMAT)
_ACTIVE = _RUN.where(_CAN_BE_EXECUTED).order_by(runs.c.key).limit(bindparam("most"))


@dataclass(frozen=True, slots=True)
class LockedTally:
    """What a run's items add up to, kept from being changed by others.

    Attributes:
        status: The run's.
        times_retried: How many times it has been retried.
        tally: What its stored items add up to.
    """

    status: RunStatus
    times_retried: int
    tally: Tally

    def is_open_to(self, run: Run) -> bool:
        """Tell whether items may be stored for a run as it was when it was taken up."""
        return self.status is RunStatus.IN_PROGRESS and self.times_retried == run.times_retried


async def get_run(
    tx: ReadTransaction, scope: ProjectScope, eval_id: str, run_id: str, *, for_update: bool = False
) -> Run:
    """Return a run by its public id.

    Args:
        tx: Open transaction.
        scope: Whose runs.
        eval_id: Public id of the eval that the run must belong to.
        run_id: Public id.
        for_update: Keep others from changing the run until the transaction ends.

    Raises:
        NotFoundError: No such eval, or it has no such run, or one of them is deleted.
    """
    query = _RUN_OF_EVAL.with_for_update(of=runs) if for_update else _RUN_OF_EVAL
    values = {"run_id": run_id, "eval_id": eval_id, "project_id": scope.project_id}
    row = (await tx.execute(query, values)).one_or_none() if is_id_text(run_id) and is_id_text(eval_id) else None
    if row is None:
        raise NotFoundError("Run", run_id, "run_id")
    return run_of(row)


async def get_run_and_eval(tx: ReadTransaction, scope: ProjectScope, eval_id: str, run_id: str) -> tuple[Run, Eval]:
    """Return a run and its eval by their public ids.

    Raises:
        NotFoundError: No such eval, or it has no such run, or one of them is deleted.
    """
    values = {"run_id": run_id, "eval_id": eval_id, "project_id": scope.project_id}
    if is_id_text(run_id) and is_id_text(eval_id):
        row = (await tx.execute(_RUN_WITH_EVAL, values)).one_or_none()
        if row is not None:
            return run_of(row), eval_of(row[-len(EVAL_COLUMNS) :])
    await get_eval(tx, scope, eval_id)
    raise NotFoundError("Run", run_id, "run_id")


async def get_run_by_id(tx: ReadTransaction, scope: ProjectScope, run_id: str, *, for_update: bool = False) -> Run:
    """Return a run by its public id, whichever eval it belongs to.

    Args:
        tx: Open transaction.
        scope: Whose runs.
        run_id: Public id.
        for_update: Keep others from changing the run until the transaction ends.

    Raises:
        NotFoundError: No such run, or it or its eval is deleted.
    """
    query = _VISIBLE_RUN.with_for_update(of=runs) if for_update else _VISIBLE_RUN
    values = {"run_id": run_id, "project_id": scope.project_id}
    row = (await tx.execute(query, values)).one_or_none() if is_id_text(run_id) else None
    if row is None:
        raise NotFoundError("Run", run_id, "run_id")
    return run_of(row)


async def get_run_by_key(tx: ReadTransaction, scope: ProjectScope, key: int, *, for_update: bool = False) -> Run:
    """Return a run by its internal number, deleted or not."""
    query = _LOCKED_RUN if for_update else _RUN_BY_KEY
    return run_of((await tx.execute(query, {"run_key": key, "project_id": scope.project_id})).one())


async def lock_tally(tx: WriteTransaction, scope: ProjectScope, key: int) -> LockedTally:
    """Return a run's status and tally, kept from being changed by others until the transaction ends."""
    row = (await tx.execute(_LOCKED_TALLY, {"run_key": key, "project_id": scope.project_id})).one()
    return LockedTally(RunStatus(row.status), row.times_retried, tally_of(row))


async def list_runs(
    tx: ReadTransaction, scope: ProjectScope, eval_key: int, page: PageRequest, status: RunStatus | None
) -> Page[Run]:
    """Return one page of an eval's runs, ordered by creation; it ends early at 16 MB.

    Raises:
        InvalidRequestError: `after` is no run of this eval.
    """
    of_eval = (runs.c.eval_key == eval_key) & (runs.c.project_id == scope.project_id)
    after = await find_position(tx, _KEY, of_eval, page.after, ("run", RUN_PREFIXES))
    query = _page(page.order, is_first=after is None, has_status=status is not None)
    of_page = {"eval_key": eval_key, "project_id": scope.project_id, **page_values(page, after)}
    values = of_page if status is None else {**of_page, "status": status}
    found: list[Run] = []
    size = 0
    async with tx.stream(query, values, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            if len(found) == page.limit or size > PAGE_BYTES:
                return Page(found, has_more=True)
            found.append(run_of(row))
            size += row.text_length
    return Page(found, has_more=False)


@cache
def _page(order: Order, *, is_first: bool, has_status: bool) -> Query:
    query = _RUN.where(
        runs.c.eval_key == bindparam("eval_key"),
        runs.c.project_id == bindparam("project_id"),
        runs.c.deleted_at.is_(None),
    )
    if has_status:
        query = query.where(runs.c.status == bindparam("status"))
    length = text_length(runs.c.data_source, runs.c.warnings, runs.c.imported_document)
    return page_of(query.add_columns(length), _KEY, order, is_first=is_first)


async def list_active_runs(tx: ReadTransaction, _scope: EngineScope, limit: int) -> list[Run]:
    """Return the runs that are queued or in progress and that this release can execute, oldest first.

    If there are more than the limit, each project has its share: its oldest ones.
    """
    rows = (await tx.execute(_ACTIVE, {"most": limit})).all()
    if len(rows) == limit:
        known = select(runs.c.key, runs.c.project_id).where(_CAN_BE_EXECUTED).order_by(runs.c.key)
        keys = _shared_out((await tx.execute(known)).all(), limit)
        rows = (await tx.execute(_RUN.where(_CAN_BE_EXECUTED, runs.c.key.in_(keys)).order_by(runs.c.key))).all()
    return [run_of(row) for row in rows]


def _shared_out(known: Iterable[Row[int, int]], limit: int) -> list[int]:
    """Return the keys of so many runs, given with their projects, oldest first: as many of each project as there are.

    A project that has fewer than its share leaves the rest to the others.
    """
    of_project: dict[int, list[int]] = {}
    for key, project in known:
        of_project.setdefault(project, []).append(key)
    in_turn = (key for turn in zip_longest(*of_project.values()) for key in turn if key is not None)
    return list(islice(in_turn, limit))


async def list_newer_runs(tx: AsyncConnection, _scope: EngineScope) -> set[int]:
    """Return the runs under way that only a newer release can execute."""
    query = select(runs.c.key).where(is_active_run, runs.c.format > NEWEST_FORMAT)
    return set((await tx.execute(query)).scalars())


async def lock_active_runs(tx: AsyncConnection, scope: ProjectScope, eval_key: int | None = None) -> list[Run]:
    """Return the runs of an eval, or of a project, that are queued or in progress, kept from changes by others."""
    query = _RUN.where(is_active_run, runs.c.project_id == scope.project_id).with_for_update(of=runs)
    if eval_key is not None:
        query = query.where(runs.c.eval_key == eval_key)
    return [run_of(row) for row in (await tx.execute(query)).all()]


async def find_regrading_of(tx: AsyncConnection, scope: ProjectScope, key: int) -> RunId | None:
    """Return the id of a run under way that grades the output items of this one, if there is any."""
    query = select(runs.c.public_id).where(
        runs.c.source_run_key == key, runs.c.project_id == scope.project_id, is_active_run
    )
    found = (await tx.execute(query.limit(1))).scalar_one_or_none()
    return None if found is None else RunId(found)


async def is_deleted(tx: AsyncConnection, scope: ProjectScope, key: int) -> bool:
    """Tell whether a run is deleted, and keep that from being changed until the transaction ends."""
    query = select(runs.c.deleted_at).where(runs.c.key == key, runs.c.project_id == scope.project_id)
    return (await tx.execute(query.with_for_update())).scalar_one() is not None
