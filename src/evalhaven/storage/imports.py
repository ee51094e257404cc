"""The stored form of imported documents, and the look-ups that keep a second import from changing anything."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain import jsontext
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.tables import evals, runs


def imported_text(imported: ImportedDocument | None) -> str | None:
    """Return the text that is stored for an imported document."""
    return None if imported is None else jsontext.render([imported.origin, imported.document])


def imported_document(text: str | None) -> ImportedDocument | None:
    """Return the imported document of a stored text."""
    return None if text is None else ImportedDocument(*cast("list[Any]", jsontext.parse(text)))


async def list_taken_ids(
    tx: AsyncConnection, scope: ProjectScope, table: Table, public_ids: Sequence[str]
) -> dict[str, bool]:
    """Return which of these ids a project has, and for each whether its object is still there (not deleted).

    Args:
        tx: Open transaction.
        scope: Whose objects.
        table: evals, runs or files.
        public_ids: Ids to look up.
    """
    query = select(table.c.public_id, table.c.deleted_at).where(
        table.c.public_id.in_(public_ids), table.c.project_id == scope.project_id
    )
    return {row.public_id: row.deleted_at is None for row in (await tx.execute(query)).all()}


async def list_imported_counts(
    tx: AsyncConnection, scope: ProjectScope, run_ids: Sequence[str]
) -> dict[str, tuple[int, int, int]]:
    """Return, for each of these runs that was imported, how many of its items passed, failed and erred."""
    query = select(runs.c.public_id, runs.c.passed, runs.c.failed, runs.c.errored).where(
        runs.c.public_id.in_(run_ids),
        runs.c.project_id == scope.project_id,
        runs.c.deleted_at.is_(None),
        runs.c.imported_document.is_not(None),
    )
    return {row.public_id: (row.passed, row.failed, row.errored) for row in (await tx.execute(query)).all()}


async def list_eval_ids_of_runs(tx: AsyncConnection, scope: ProjectScope, run_ids: Sequence[str]) -> dict[str, str]:
    """Return, for each of these runs that exists here, the public id of its eval."""
    query = (
        select(runs.c.public_id, evals.c.public_id.label("eval_id"))
        .join(evals, runs.c.eval_key == evals.c.key)
        .where(runs.c.public_id.in_(run_ids), runs.c.project_id == scope.project_id, runs.c.deleted_at.is_(None))
    )
    return {row.public_id: row.eval_id for row in (await tx.execute(query)).all()}
