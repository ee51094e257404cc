"""Files on the wire."""

from evalhaven.api.rendering.parts import imported_document
from evalhaven.domain import jsontext
from evalhaven.domain.files import StoredFile


def file_text(found: StoredFile) -> str:
    """Return the JSON text of a file."""
    if found.imported is not None:
        return jsontext.render(imported_document(found.imported))
    return jsontext.render(
        {
            "object": "file",
            "id": found.id,
            "purpose": found.purpose,
            "filename": found.filename,
            "bytes": found.size_bytes,
            "created_at": found.created_at,
            "expires_at": found.expires_at,
            "status": "processed",
            "status_details": None,
        }
    )
