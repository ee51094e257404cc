"""Queries on evals."""

from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.evals import Caution, DataSourceConfig, Eval
from evalhaven.domain.ids import EVAL_PREFIXES, EvalId, is_id_text
from evalhaven.domain.paging import PAGE_BYTES, Page, PageRequest
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.imports import imported_document, imported_text
from evalhaven.storage.keyset import find_position, page_after, text_length
from evalhaven.storage.tables import evals, runs

_FETCH_ROWS = 8  # rows read at once: criteria may hold megabytes


async def insert_eval(tx: AsyncConnection, scope: ProjectScope, new: Eval, imported_at: int | None = None) -> None:
    """Store a new eval, or one that is imported."""
    await tx.execute(
        insert(evals).values(
            project_id=scope.project_id,
            public_id=new.id,
            created_at=new.created_at,
            updated_at=new.updated_at,
            name=new.name,
            metadata=new.metadata,
            data_source_config=new.data_source_config.text,
            testing_criteria=new.testing_criteria.text,
            warnings=[[caution.pointer, caution.message] for caution in new.warnings],
            imported_at=imported_at,
            imported_document=imported_text(new.imported),
        )
    )


async def get_eval(
    tx: AsyncConnection, scope: ProjectScope, eval_id: str, *, for_share: bool = False, for_update: bool = False
) -> Eval:
    """Return an eval by its public id.

    Args:
        tx: Open transaction.
        scope: Whose evals.
        eval_id: Public id.
        for_share: Keep others from changing or deleting the eval until the transaction ends.
        for_update: The same, for who changes it.

    Raises:
        NotFoundError: No such eval, or it is deleted.
    """
    query = select(evals).where(
        evals.c.public_id == eval_id, evals.c.project_id == scope.project_id, evals.c.deleted_at.is_(None)
    )
    if for_share or for_update:
        query = query.with_for_update(read=for_share)
    row = (await tx.execute(query)).one_or_none() if is_id_text(eval_id) else None
    if row is None:
        raise NotFoundError("Eval", eval_id, "eval_id")
    return _eval(row)


async def get_eval_by_key(tx: AsyncConnection, scope: ProjectScope, key: int) -> Eval:
    """Return an eval by its internal number, deleted or not."""
    query = select(evals).where(evals.c.key == key, evals.c.project_id == scope.project_id)
    return _eval((await tx.execute(query)).one())


async def list_evals(
    tx: AsyncConnection, scope: ProjectScope, page: PageRequest, *, by_update: bool = False
) -> Page[Eval]:
    """Return one page of evals, ordered by creation or by last update; it ends early at 16 MB.

    Raises:
        InvalidRequestError: `after` is no eval of this project.
    """
    key = (evals.c.updated_at if by_update else evals.c.created_at, evals.c.public_id)
    of_project = evals.c.project_id == scope.project_id
    after = await find_position(tx, key, of_project, page.after, ("eval", EVAL_PREFIXES))
    query = select(evals).where(of_project, evals.c.deleted_at.is_(None))
    length = text_length(
        evals.c.data_source_config, evals.c.testing_criteria, evals.c.warnings, evals.c.imported_document
    )
    query = page_after(query.add_columns(length), key, page.order, after).limit(page.limit + 1)
    found: list[Eval] = []
    size = 0
    async with tx.stream(query, execution_options={"yield_per": _FETCH_ROWS}) as rows:
        async for row in rows:
            if len(found) == page.limit or size > PAGE_BYTES:
                return Page(found, has_more=True)
            found.append(_eval(row))
            size += row.text_length
    return Page(found, has_more=False)


async def update_eval(tx: AsyncConnection, scope: ProjectScope, changed: Eval) -> None:
    """Write an eval's name, metadata and time of update."""
    await tx.execute(
        update(evals)
        .where(evals.c.key == changed.key, evals.c.project_id == scope.project_id)
        .values(
            name=changed.name,
            metadata=changed.metadata,
            updated_at=changed.updated_at,
            imported_document=imported_text(changed.imported),
        )
    )


async def delete_eval(tx: AsyncConnection, scope: ProjectScope, key: int, at: int) -> None:
    """Hide an eval and its runs, which must have ended; their rows are purged later."""
    of_eval = (runs.c.eval_key == key) & (runs.c.project_id == scope.project_id)
    await tx.execute(update(runs).where(of_eval, runs.c.deleted_at.is_(None)).values(deleted_at=at))
    await tx.execute(
        update(evals).where(evals.c.key == key, evals.c.project_id == scope.project_id).values(deleted_at=at)
    )


def _eval(row: Row[Any]) -> Eval:
    return Eval(
        id=EvalId(row.public_id),
        created_at=row.created_at,
        updated_at=row.updated_at,
        name=row.name,
        metadata=row.metadata,
        data_source_config=DataSourceConfig(row.data_source_config),
        testing_criteria=Criteria(row.testing_criteria),
        warnings=[Caution(*pair) for pair in row.warnings],
        imported=imported_document(row.imported_document),
        key=row.key,
    )
