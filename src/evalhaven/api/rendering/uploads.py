"""Uploads on the wire."""

from evalhaven.api.rendering.files import file_text
from evalhaven.domain import jsontext
from evalhaven.domain.files import StoredFile
from evalhaven.domain.ids import UploadId
from evalhaven.domain.uploads import Upload, UploadPart


def upload_text(found: Upload, file: StoredFile | None, now: int) -> str:
    """Return the JSON text of an upload.

    Args:
        found: The upload.
        file: The file that it became, if that is still there.
        now: Unix second.
    """
    fields = jsontext.render(
        {
            "id": found.id,
            "object": "upload",
            "bytes": found.size_bytes,
            "created_at": found.created_at,
            "filename": found.filename,
            "purpose": found.purpose,
            "status": found.status_at(now),
            "expires_at": found.expires_at,
        }
    )
    return f'{fields[:-1]},"file":{"null" if file is None else file_text(file)}}}'


def part_text(found: UploadPart, upload_id: UploadId) -> str:
    """Return the JSON text of a part."""
    return jsontext.render(
        {"id": found.id, "object": "upload.part", "created_at": found.created_at, "upload_id": upload_id}
    )
