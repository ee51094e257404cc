"""Queries on evals; what writes them is in `eval_writes`."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.evals import Caution, DataSourceConfig, Eval
from evalhaven.domain.ids import EVAL_PREFIXES, EvalId, is_id_text
from evalhaven.domain.paging import PAGE_BYTES, Order, Page, PageRequest
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.imports import imported_document
from evalhaven.storage.keyset import KeyColumns, Query, find_position, page_of, page_values, text_length
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import evals

_IN_PARTS = {"yield_per": 8}  # criteria may hold megabytes
EVAL_COLUMNS = (
    evals.c.key,
    evals.c.public_id,
    evals.c.created_at,
    evals.c.updated_at,
    evals.c.name,
    evals.c.metadata,
    evals.c.data_source_config,
    evals.c.testing_criteria,
    evals.c.warnings,
    evals.c.imported_document,
    evals.c.version,
    evals.c.follows,
)
# Statements that are executed again and again are built once: building one takes longer than executing it.
_EVAL = select(*EVAL_COLUMNS).where(
    evals.c.public_id == bindparam("eval_id"),
    evals.c.project_id == bindparam("project_id"),
    evals.c.deleted_at.is_(None),
)
_EVAL_BY_KEY = select(*EVAL_COLUMNS).where(
    evals.c.key == bindparam("eval_key"), evals.c.project_id == bindparam("project_id")
)


async def get_eval(
    tx: ReadTransaction, scope: ProjectScope, eval_id: str, *, for_share: bool = False, for_update: bool = False
) -> Eval:
    """Return an eval by its public id.

    Args:
        tx: Open transaction.
        scope: Whose evals.
        eval_id: Public id.
        for_share: Keep other transactions from changing or deleting the eval until this one ends.
        for_update: The same, for a transaction that changes the eval.

    Raises:
        NotFoundError: The eval does not exist or is deleted.
    """
    # The key stays as it is. Whoever holds a run and updates it twice checks that key, and must not have to wait here.
    locked = _EVAL.with_for_update(read=for_share, key_share=not for_share)
    query = locked if for_share or for_update else _EVAL
    values = {"eval_id": eval_id, "project_id": scope.project_id}
    row = (await tx.execute(query, values)).one_or_none() if is_id_text(eval_id) else None
    if row is None:
        raise NotFoundError("Eval", eval_id, "eval_id")
    return eval_of(row)


async def get_eval_by_key(tx: ReadTransaction, scope: ProjectScope, key: int) -> Eval:
    """Return an eval by its internal number, deleted or not."""
    return eval_of((await tx.execute(_EVAL_BY_KEY, {"eval_key": key, "project_id": scope.project_id})).one())


async def list_criteria(tx: ReadTransaction, scope: ProjectScope, keys: Collection[int]) -> dict[int, Criteria]:
    """Return the testing criteria of some evals, by their internal numbers."""
    query = select(evals.c.key, evals.c.testing_criteria).where(
        evals.c.key.in_(keys), evals.c.project_id == scope.project_id
    )
    return {row.key: Criteria(row.testing_criteria) for row in (await tx.execute(query)).all()}


async def list_evals(
    tx: ReadTransaction, scope: ProjectScope, page: PageRequest, *, by_update: bool = False
) -> Page[Eval]:
    """Return one page of evals, ordered by creation or by last update; it ends early at 16 MB.

    Raises:
        InvalidRequestError: `after` is not an eval of this project.
    """
    key = _key(by_update=by_update)
    of_project = evals.c.project_id == scope.project_id
    after = await find_position(tx, key, of_project, page.after, ("eval", EVAL_PREFIXES))
    query = _page(page.order, by_update=by_update, is_first=after is None)
    values = {"project_id": scope.project_id, **page_values(page, after)}
    found: list[Eval] = []
    size = 0
    async with tx.stream(query, values, execution_options=_IN_PARTS) as rows:
        async for *values, length in rows:
            if len(found) == page.limit or size > PAGE_BYTES:
                return Page(found, has_more=True)
            found.append(eval_of(values))
            size += length
    return Page(found, has_more=False)


@cache
def _page(order: Order, *, by_update: bool, is_first: bool) -> Query:
    length = text_length(
        evals.c.data_source_config, evals.c.testing_criteria, evals.c.warnings, evals.c.imported_document
    )
    query = select(*EVAL_COLUMNS, length).where(
        evals.c.project_id == bindparam("project_id"), evals.c.deleted_at.is_(None)
    )
    return page_of(query, _key(by_update=by_update), order, is_first=is_first)


def _key(*, by_update: bool) -> KeyColumns:
    return evals.c.updated_at if by_update else evals.c.created_at, evals.c.public_id


def eval_of(row: Sequence[Any]) -> Eval:
    """Return the eval from values of `EVAL_COLUMNS`."""
    key, public_id, created_at, updated_at, name, metadata, config, criteria, warnings, imported, version, follows = row
    return Eval(
        id=EvalId(public_id),
        created_at=created_at,
        updated_at=updated_at,
        name=name,
        metadata=metadata,
        data_source_config=DataSourceConfig(config),
        testing_criteria=Criteria(criteria),
        warnings=[Caution(*pair) for pair in warnings],
        imported=imported_document(imported),
        version=version,
        follows=None if follows is None else EvalId(follows),
        key=key,
    )
