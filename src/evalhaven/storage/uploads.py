"""Queries on uploads and their parts."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import FileId, PartId, UploadId, is_id_text
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.uploads import Upload, UploadPart, UploadStatus
from evalhaven.storage.tables import upload_parts, uploads

KEPT_S = 24 * 3600
# A file that is being put together when its upload expires still becomes one.
_GRACE_S = 900


async def insert_upload(tx: AsyncConnection, scope: ProjectScope, new: Upload) -> None:
    """Store a new upload."""
    await tx.execute(
        insert(uploads).values(
            project_id=scope.project_id,
            public_id=new.id,
            created_at=new.created_at,
            expires_at=new.expires_at,
            status=new.status,
            filename=new.filename,
            purpose=new.purpose,
            size_bytes=new.size_bytes,
            file_expires_after=new.file_expires_after,
        )
    )


async def get_upload(tx: AsyncConnection, scope: ProjectScope, upload_id: str, *, for_update: bool = False) -> Upload:
    """Return an upload by its public id.

    Args:
        tx: Open transaction.
        scope: Whose uploads.
        upload_id: Public id.
        for_update: Keep other transactions from changing it until this one ends.

    Raises:
        NotFoundError: It does not exist, or ended more than a day ago.
    """
    query = select(uploads).where(uploads.c.public_id == upload_id, uploads.c.project_id == scope.project_id)
    if for_update:
        query = query.with_for_update()
    row = (await tx.execute(query)).one_or_none() if is_id_text(upload_id) else None
    if row is None:
        raise NotFoundError("Upload", upload_id, "upload_id")
    return _upload(row)


async def end_upload(tx: AsyncConnection, scope: ProjectScope, ended: Upload, at: int) -> None:
    """Store how an upload ended; its parts are purged from then on."""
    await tx.execute(
        update(uploads)
        .where(uploads.c.key == ended.key, uploads.c.project_id == scope.project_id)
        .values(status=ended.status, file_id=ended.file_id, request_hash=ended.request_hash, ended_at=at)
    )


async def insert_part(tx: AsyncConnection, scope: ProjectScope, upload_key: int, new: UploadPart) -> None:
    """Store the record of a part whose bytes are already in the blob store."""
    await tx.execute(
        insert(upload_parts).values(
            project_id=scope.project_id,
            upload_key=upload_key,
            public_id=new.id,
            created_at=new.created_at,
            size_bytes=new.size_bytes,
        )
    )


async def list_parts(tx: AsyncConnection, scope: ProjectScope, upload_key: int) -> list[UploadPart]:
    """Return the parts of an upload; their number is bounded."""
    query = select(upload_parts).where(_are_of(scope, upload_key))
    rows = (await tx.execute(query)).all()
    return [UploadPart(PartId(row.public_id), row.created_at, row.size_bytes) for row in rows]


async def measure_parts(tx: AsyncConnection, scope: ProjectScope, upload_key: int) -> tuple[int, int]:
    """Return the number of parts that an upload has, and of their bytes."""
    query = select(func.count(), func.coalesce(func.sum(upload_parts.c.size_bytes), 0))
    count, size_bytes = (await tx.execute(query.where(_are_of(scope, upload_key)))).one()
    return count, int(size_bytes)


async def expire_uploads(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """End what expired and was not completed; the API shows it as expired from its second on."""
    await tx.execute(
        update(uploads)
        .where(uploads.c.expires_at <= now - _GRACE_S, uploads.c.ended_at.is_(None))
        .values(status=UploadStatus.EXPIRED, ended_at=now)
    )


@dataclass(frozen=True, slots=True)
class EndedUpload:
    """An upload that ended and whose parts are to be removed."""

    key: int
    scope: ProjectScope
    id: UploadId


async def find_ended_upload(tx: AsyncConnection, _scope: EngineScope) -> EndedUpload | None:
    """Return an upload that ended and is not purged."""
    query = (
        select(uploads.c.key, uploads.c.project_id, uploads.c.public_id)
        .where(uploads.c.ended_at.is_not(None), uploads.c.purged_at.is_(None))
        .limit(1)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else EndedUpload(row.key, ProjectScope(row.project_id), UploadId(row.public_id))


async def finish_upload_purge(tx: AsyncConnection, scope: ProjectScope, upload_key: int, at: int) -> None:
    """Erase the records of an upload's parts, once their bytes are gone."""
    await tx.execute(delete(upload_parts).where(_are_of(scope, upload_key)))
    of_upload = (uploads.c.key == upload_key) & (uploads.c.project_id == scope.project_id)
    await tx.execute(update(uploads).where(of_upload).values(purged_at=at))


async def forget_uploads(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """Delete the uploads that were purged more than a day ago."""
    await tx.execute(delete(uploads).where(uploads.c.purged_at < now - KEPT_S))


def _are_of(scope: ProjectScope, upload_key: int) -> ColumnElement[bool]:
    return (upload_parts.c.upload_key == upload_key) & (upload_parts.c.project_id == scope.project_id)


def _upload(row: Row[Any]) -> Upload:
    return Upload(
        id=UploadId(row.public_id),
        created_at=row.created_at,
        expires_at=row.expires_at,
        filename=row.filename,
        purpose=row.purpose,
        size_bytes=row.size_bytes,
        file_expires_after=row.file_expires_after,
        status=UploadStatus(row.status),
        file_id=None if row.file_id is None else FileId(row.file_id),
        request_hash=row.request_hash,
        key=row.key,
    )
