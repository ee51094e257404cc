"""`/v1/files`: upload, list, get, content, delete."""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.auditing import deletion_of
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import declared_bytes
from evalhaven.api.contents import BlobResponse
from evalhaven.api.lists import After, OrderOf, page_request
from evalhaven.api.rendering.files import file_text
from evalhaven.api.rendering.json_texts import json_response, list_text
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.api.uploads import ReceivedForm, receive_form
from evalhaven.domain import jsontext
from evalhaven.domain.errors import DamagedFileError, InvalidRequestError
from evalhaven.domain.files import StoredFile
from evalhaven.domain.ids import created_at_of
from evalhaven.domain.jsontext import InvalidJsonError
from evalhaven.storage import files as store
from evalhaven.storage.access.limits import claim_room, refuse_full
from evalhaven.wire import files as wire
from evalhaven.wire.errors import ErrorResponse
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/v1/files", tags=["Files"], route_class=GuardedRoute)

MAX_FILE_LIMIT = 10_000
_EXPIRY_DIGITS = 10  # nobody means a larger number of seconds, and int() refuses very long ones
_EXPIRY_FIELDS = ("expires_after[anchor]", "expires_after[seconds]")
_UPLOAD_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(wire.FILE_PURPOSES_UPLOADABLE)},
                        "expires_after": {"$ref": "#/components/schemas/FileExpirationAfter"},
                    },
                    "required": ["file", "purpose"],
                }
            }
        },
    }
}


_CONTENT: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string"}}}


@router.post("", operation_id="createFile", response_model=wire.OpenAIFile, openapi_extra=_UPLOAD_SCHEMA)
async def create_file(request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Upload a file; its rows are checked by the runs that read it."""
    async with services.database.read() as tx:
        await refuse_full(tx, scope, declared_bytes(request), "file")
    with services.blobs.writer() as writer:
        form = await receive_form(request, writer, services.config.max_file_bytes)
        if form.filename is None:
            raise InvalidRequestError("'file' is required: send the content as the form part 'file'.", param="file")
        file_id = services.ids.new_file_id()
        created_at = created_at_of(file_id)
        expires_after = _expires_after(form)
        new = StoredFile(
            id=file_id,
            created_at=created_at,
            expires_at=None if expires_after is None else created_at + expires_after,
            filename=form.filename,
            purpose=_purpose(form),
            size_bytes=writer.size_bytes,
        )
        await anyio.to_thread.run_sync(writer.commit, scope, file_id)
    with services.blobs.kept_on_success(scope, file_id):
        async with services.database.write() as tx:
            await claim_room(tx, scope, new.size_bytes, "file")
            await store.insert_file(tx, scope, new)
    return json_response(file_text(new))


@router.get("", operation_id="listFiles", response_model=wire.ListFilesResponse)
async def list_files(
    services: ServicesOf,
    scope: ScopeOf,
    after: After = None,
    limit: Annotated[int, Query(ge=1)] = MAX_FILE_LIMIT,
    order: OrderOf = "desc",
    purpose: Annotated[str | None, Query()] = None,
) -> Response:
    """List the uploaded files; without a purpose, of every purpose. Of an unknown one there are none."""
    page = page_request(after, limit, order, "desc", MAX_FILE_LIMIT)
    async with services.database.read() as tx:
        found = await store.list_files(tx, scope, page, purpose, services.now())
    texts = [file_text(each) for each in found.objects]
    return json_response(list_text(texts, [each.id for each in found.objects], has_more=found.has_more))


@router.get("/{file_id}", operation_id="retrieveFile", response_model=wire.OpenAIFile)
async def get_file(file_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Get a file's record."""
    async with services.database.read() as tx:
        found = await store.get_file(tx, scope, file_id, services.now())
    return json_response(file_text(found))


@router.get(
    "/{file_id}/content",
    operation_id="downloadFile",
    response_class=Response,
    responses={
        200: {"content": _CONTENT},
        206: {"description": "The part that the header 'Range' asks for.", "content": _CONTENT},
        416: {"description": "The file ends before that part.", "model": ErrorResponse},
    },
)
async def get_content(file_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Download a file, byte for byte as it was uploaded."""
    async with services.database.read() as tx:
        found = await store.get_file(tx, scope, file_id, services.now())
    try:
        blob = services.blobs.open_whole(scope, found.id, found.size_bytes)
    except DamagedFileError:
        # It may have been deleted or replaced a moment ago.
        async with services.database.read() as tx:
            found = await store.get_file(tx, scope, file_id, services.now())
        blob = services.blobs.open_whole(scope, found.id, found.size_bytes, "file_id")
    return BlobResponse(blob, found.size_bytes, services.blobs.modified_at(scope, found.id), found.filename)


@router.delete("/{file_id}", operation_id="deleteFile", response_model=wire.DeleteFileResponse)
async def delete_file(file_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Delete a file; runs under way that read it go on."""
    async with services.database.write() as tx:
        found = await store.get_file(tx, scope, file_id, services.now(), for_update=True)
        await store.delete_file(tx, scope, found.key, services.now())
        await deletion_of(request, "file", file_id)(tx, found.filename)
    services.wake_executor()
    return json_response(jsontext.render({"id": file_id, "object": "file", "deleted": True}))


def _purpose(form: ReceivedForm) -> str:
    purpose = form.fields.get("purpose")
    if purpose not in wire.FILE_PURPOSES_UPLOADABLE:
        given = "is required" if purpose is None else f"must not be {purpose!r}"
        raise InvalidRequestError(
            f"'purpose' {given}: send one of {', '.join(wire.FILE_PURPOSES_UPLOADABLE)}.", param="purpose"
        )
    return purpose


def _expires_after(form: ReceivedForm) -> int | None:
    """Return the seconds after which a file expires; forms write the object as two bracketed fields or as JSON."""
    document: dict[str, Any] = {}
    if "expires_after" in form.fields:
        try:
            document["expires_after"] = jsontext.parse(form.fields["expires_after"])
        except InvalidJsonError as error:
            raise InvalidRequestError(f"'expires_after' is not valid JSON: {error}.", param="expires_after") from error
    elif any(name in form.fields for name in _EXPIRY_FIELDS):
        anchor, seconds = (form.fields.get(name) for name in _EXPIRY_FIELDS)
        is_number = seconds is not None and seconds.isdecimal() and len(seconds) <= _EXPIRY_DIGITS
        number = int(seconds) if seconds is not None and is_number else seconds
        pairs = {"anchor": anchor, "seconds": number}
        document["expires_after"] = {name: value for name, value in pairs.items() if value is not None}
    parsed = parse_request(wire.FileUploadFields, document).body.expires_after
    return None if parsed is None else parsed.seconds
