"""Queries on uploaded files."""

from typing import Any

from sqlalchemy import ColumnElement, Row, and_, false, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.files import StoredFile
from evalhaven.domain.ids import FILE_PREFIXES, FileId, is_id_text
from evalhaven.domain.paging import Page, PageRequest
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.imports import imported_document, imported_text
from evalhaven.storage.keyset import find_position, page_of, page_values
from evalhaven.storage.tables import files


async def insert_file(
    tx: AsyncConnection, scope: ProjectScope, new: StoredFile, imported_at: int | None = None
) -> None:
    """Store the record of an uploaded file whose content is already in the blob store."""
    await tx.execute(
        insert(files).values(
            project_id=scope.project_id,
            public_id=new.id,
            created_at=new.created_at,
            expires_at=new.expires_at,
            filename=new.filename,
            purpose=new.purpose,
            size_bytes=new.size_bytes,
            imported_at=imported_at,
            imported_document=imported_text(new.imported),
        )
    )


async def update_file(tx: AsyncConnection, scope: ProjectScope, new: StoredFile) -> None:
    """Replace the stored record with the same public id."""
    await tx.execute(
        update(files)
        .where(files.c.public_id == new.id, files.c.project_id == scope.project_id)
        .values(
            created_at=new.created_at,
            filename=new.filename,
            purpose=new.purpose,
            size_bytes=new.size_bytes,
            imported_document=imported_text(new.imported),
        )
    )


async def get_file(
    tx: AsyncConnection,
    scope: ProjectScope,
    file_id: str,
    now: int,
    *,
    for_share: bool = False,
    for_update: bool = False,
) -> StoredFile:
    """Return a file by its public id.

    Args:
        tx: Open transaction.
        scope: Whose files.
        file_id: Public id.
        now: Unix second.
        for_share: Keep other transactions from changing or deleting the file until this one ends.
        for_update: The same, for a transaction that changes the file.

    Raises:
        NotFoundError: The file does not exist, is deleted or has expired.
    """
    query = select(files).where(files.c.public_id == file_id, _is_visible(scope, now))
    if for_share or for_update:
        query = query.with_for_update(read=for_share)
    row = (await tx.execute(query)).one_or_none() if is_id_text(file_id) else None
    if row is None:
        raise NotFoundError("File", file_id, "file_id")
    return _file(row)


async def list_files(
    tx: AsyncConnection, scope: ProjectScope, page: PageRequest, purpose: str | None, now: int
) -> Page[StoredFile]:
    """Return one page of files, ordered by creation.

    Raises:
        InvalidRequestError: `after` is not a file of this project.
    """
    key = (files.c.created_at, files.c.public_id)
    of_project = files.c.project_id == scope.project_id
    after = await find_position(tx, key, of_project, page.after, ("file", FILE_PREFIXES))
    query = select(files).where(_is_visible(scope, now))
    if purpose is not None:
        # Not every text can be compared with a column: PostgreSQL has no U+0000.
        query = query.where(files.c.purpose == purpose if is_id_text(purpose) else false())
    query = page_of(query, key, page.order, is_first=after is None)
    rows = (await tx.execute(query, page_values(page, after))).all()
    return Page([_file(row) for row in rows[: page.limit]], has_more=len(rows) > page.limit)


async def delete_file(tx: AsyncConnection, scope: ProjectScope, key: int, at: int) -> None:
    """Hide a file; its content is purged once no unfinished run reads it."""
    await tx.execute(
        update(files).where(files.c.key == key, files.c.project_id == scope.project_id).values(deleted_at=at)
    )


async def expire_files(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """Mark as deleted what has expired."""
    await tx.execute(
        update(files).where(files.c.expires_at <= now, files.c.deleted_at.is_(None)).values(deleted_at=now)
    )


def _is_visible(scope: ProjectScope, now: int) -> ColumnElement[bool]:
    return and_(
        files.c.project_id == scope.project_id,
        files.c.deleted_at.is_(None),
        or_(files.c.expires_at.is_(None), files.c.expires_at > now),
    )


def _file(row: Row[Any]) -> StoredFile:
    return StoredFile(
        id=FileId(row.public_id),
        created_at=row.created_at,
        expires_at=row.expires_at,
        filename=row.filename,
        purpose=row.purpose,
        size_bytes=row.size_bytes,
        imported=imported_document(row.imported_document),
        key=row.key,
    )
