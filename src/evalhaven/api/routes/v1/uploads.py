"""`/v1/uploads`: files that are sent in parts."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.assembly import choose_parts, write_parts
from evalhaven.api.bodies import read_document
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.rendering.uploads import part_text, upload_text
from evalhaven.api.services import ScopeOf, Services, ServicesOf
from evalhaven.api.uploads import plain_filename, receive_form
from evalhaven.domain.errors import (
    DamagedFileError,
    InvalidRequestError,
    NotFoundError,
    RequestTooLargeError,
    UploadEndedError,
)
from evalhaven.domain.files import StoredFile
from evalhaven.domain.ids import created_at_of
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.uploads import (
    PART_BYTES,
    UPLOAD_BYTES,
    UPLOAD_LIFE_S,
    UPLOAD_PARTS,
    Upload,
    UploadPart,
    UploadStatus,
    hash_request,
)
from evalhaven.storage import uploads as store
from evalhaven.storage.access.limits import claim_room, refuse_full
from evalhaven.storage.files import get_file, insert_file
from evalhaven.wire import uploads as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/v1/uploads", tags=["Uploads"], route_class=GuardedRoute)

_MB = 1024 * 1024
# A part whose answer was lost is sent again, and both are kept until the upload ends.
_STORED_TIMES = 2
_PART_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"data": {"type": "string", "format": "binary"}},
                    "required": ["data"],
                }
            }
        },
    }
}


@router.post("", operation_id="createUpload", response_model=wire.Upload)
async def create_upload(request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Announce a file of up to 8 GB that is sent in parts, within an hour."""
    body = parse_request(wire.CreateUploadRequest, await read_document(request, services.config.max_body_bytes)).body
    largest = min(UPLOAD_BYTES, services.config.max_file_bytes)
    if body.bytes > largest:
        cure = "split the file" if largest == UPLOAD_BYTES else "split the file or raise EVALHAVEN_MAX_FILE_MB"
        raise InvalidRequestError(
            f"'bytes' must be at most {largest} ({largest // _MB} MB): {cure}.", param="bytes", code="file_too_large"
        )
    async with services.database.read() as tx:
        await refuse_full(tx, scope, body.bytes, "bytes")
    upload_id = services.ids.new_upload_id()
    created_at = created_at_of(upload_id)
    new = Upload(
        id=upload_id,
        created_at=created_at,
        expires_at=created_at + UPLOAD_LIFE_S,
        filename=plain_filename(body.filename),
        purpose=body.purpose,
        size_bytes=body.bytes,
        file_expires_after=None if body.expires_after is None else body.expires_after.seconds,
    )
    async with services.database.write() as tx:
        await store.insert_upload(tx, scope, new)
    return json_response(upload_text(new, None, created_at))


@router.post(
    "/{upload_id}/parts", operation_id="addUploadPart", response_model=wire.UploadPart, openapi_extra=_PART_SCHEMA
)
async def add_part(upload_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Add a part of up to 64 MB; parts may be sent in any order, several at once."""
    async with services.database.read() as tx:
        found = await store.get_upload(tx, scope, upload_id)
    found.require_pending(services.now())
    with services.blobs.writer() as writer:
        try:
            form = await receive_form(request, writer, PART_BYTES, "data")
        except RequestTooLargeError as error:
            raise RequestTooLargeError(
                f"A part holds at most {PART_BYTES // _MB} MB; send the file in more parts.",
                param="data",
                code="request_too_large",
            ) from error
        if form.filename is None:
            raise InvalidRequestError("'data' is required: send the bytes as the form part 'data'.", param="data")
        part_id = services.ids.new_part_id()
        new = UploadPart(part_id, created_at_of(part_id), writer.size_bytes)
        await anyio.to_thread.run_sync(writer.commit, scope, part_id)
    with services.blobs.kept_on_success(scope, part_id):
        async with services.database.write() as tx:
            found = await store.get_upload(tx, scope, upload_id, for_update=True)
            found.require_pending(services.now())
            _require_room(found, new, *await store.measure_parts(tx, scope, found.key))
            await claim_room(tx, scope, new.size_bytes, "data")
            await store.insert_part(tx, scope, found.key, new)
    return json_response(part_text(new, found.id))


@router.post("/{upload_id}/complete", operation_id="completeUpload", response_model=wire.Upload)
async def complete_upload(upload_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Make the file of the parts, in the order in which they are named; the others are dropped.

    The same request once more, as after a lost answer, is answered with the same file.
    """
    body = parse_request(wire.CompleteUploadRequest, await read_document(request, services.config.max_body_bytes)).body
    now = services.now()
    async with services.database.read() as tx:
        found = await store.get_upload(tx, scope, upload_id)
        parts = await store.list_parts(tx, scope, found.key)
    try:
        found.require_pending(now)
        ended, file = await _make_file(services, scope, found, choose_parts(found, parts, body.part_ids), body)
    except (DamagedFileError, UploadEndedError):
        # It may have ended meanwhile, and then its parts are removed.
        ended, file = await _look_again(services, scope, upload_id)
        if ended.request_hash != hash_request(body.part_ids, body.md5):
            ended.require_pending(now)
            raise
    services.wake_executor()
    return json_response(upload_text(ended, file, now))


@router.post("/{upload_id}/cancel", operation_id="cancelUpload", response_model=wire.Upload)
async def cancel_upload(upload_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Cancel an upload and drop its parts; one that is canceled already is returned as it is."""
    async with services.database.write() as tx:
        found = await store.get_upload(tx, scope, upload_id, for_update=True)
        if found.status is not UploadStatus.CANCELED:
            found.require_pending(services.now())
            found = replace(found, status=UploadStatus.CANCELED)
            await store.end_upload(tx, scope, found, services.now())
    services.wake_executor()
    return json_response(upload_text(found, None, services.now()))


async def _make_file(
    services: Services,
    scope: ProjectScope,
    found: Upload,
    parts: Sequence[UploadPart],
    body: wire.CompleteUploadRequest,
) -> tuple[Upload, StoredFile]:
    """Make a file of parts, and return the upload as it ended and the file."""
    file_id = services.ids.new_file_id()
    created_at = created_at_of(file_id)
    file = StoredFile(
        id=file_id,
        created_at=created_at,
        expires_at=None if found.file_expires_after is None else created_at + found.file_expires_after,
        filename=found.filename,
        purpose=found.purpose,
        size_bytes=found.size_bytes,
    )
    request_hash = hash_request(body.part_ids, body.md5)
    ended = replace(found, status=UploadStatus.COMPLETED, file_id=file_id, request_hash=request_hash)
    with services.blobs.writer() as writer:
        checksum = await write_parts(services.blobs, scope, parts, writer)
        if body.md5 not in (None, checksum):
            raise InvalidRequestError(
                f"'md5' is {body.md5}, but the parts in this order have {checksum}. Name them in the order of their "
                "bytes in the file, or send again what was damaged on the way.",
                param="md5",
                code="upload_md5_mismatch",
            )
        await anyio.to_thread.run_sync(writer.commit, scope, file_id)
    with services.blobs.kept_on_success(scope, file_id):
        async with services.database.write() as tx:
            current = await store.get_upload(tx, scope, found.id, for_update=True)
            # Not by the clock: it was in time when it began.
            if current.status is not UploadStatus.PENDING:
                raise UploadEndedError(current.id, current.status)
            await insert_file(tx, scope, file)
            await store.end_upload(tx, scope, ended, services.now())
    return ended, file


async def _look_again(services: Services, scope: ProjectScope, upload_id: str) -> tuple[Upload, StoredFile | None]:
    """Return an upload as it is now, and its file, if there is one."""
    async with services.database.read() as tx:
        found = await store.get_upload(tx, scope, upload_id)
        if found.file_id is None:
            return found, None
        with contextlib.suppress(NotFoundError):
            return found, await get_file(tx, scope, found.file_id, services.now())
    return found, None


def _require_room(found: Upload, new: UploadPart, count: int, size_bytes: int) -> None:
    """Refuse a part with which an upload could not be completed, or would hold more than it needs."""
    if new.size_bytes > found.size_bytes:
        raise InvalidRequestError(
            f"The part has {new.size_bytes} bytes, but the upload was created for {found.size_bytes}.",
            param="data",
            code="upload_size_mismatch",
        )
    if count >= UPLOAD_PARTS or size_bytes + new.size_bytes > _STORED_TIMES * found.size_bytes:
        raise InvalidRequestError(
            f"The upload holds {count} parts of {size_bytes} bytes already, and takes {UPLOAD_PARTS} parts at most and "
            f"twice the {found.size_bytes} bytes that it was created for, so that parts can be sent again. Complete "
            "it, or cancel it and create another one.",
            param="data",
            code="upload_full",
        )
